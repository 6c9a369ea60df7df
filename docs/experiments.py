"""The paper's experiments as data: what their scripts and pages say, and the lines that run them.

`docs/generate.py` makes the tables and scripts of docs/reproduce.md of it. What a preset sets is
not repeated here.
"""

import dataclasses

from mocotool.configs.train_motion import PRESETS, TrainMotionConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One data set of the paper."""

    generator: str
    """The released file of the image generator, or what to take in its place."""
    resolution: int
    """Pixels of the generator."""
    videos: str
    """Folder of the videos."""
    epochs: int | None
    """What the authors' script says; `None` where there is no script."""
    evaluations: tuple[str, ...] = ()
    """Commands of the paper's metrics; {name} and {videos} are filled in."""

    @property
    def passes(self) -> int:
        """Passes over the videos that the script asks for; where there is none, one of theirs."""
        return self.epochs or 100


FVD = "moco eval fvd videos/{videos} {name}/walk.npz --protocol paper --ground-truth"
MANY = "moco sample {name}/run/motion.safetensors --num-videos 10000 -o {name}/many.npz"
SCORE = "moco eval is {name}/many.npz --ground-truth videos/{videos}"
IDENTITY = "moco eval acd {name}/walk.npz"

EXPERIMENTS = {
    "ucf101": Experiment(
        generator="ucf-256-fid41.6761-snapshot-006935.pt",
        resolution=256,
        videos="ucf101",
        epochs=20,
        evaluations=(MANY, SCORE, FVD),
    ),
    "ucf101-128": Experiment(
        generator="ucf-128.pt",
        resolution=128,
        videos="ucf101",
        epochs=None,
        evaluations=(MANY, SCORE, FVD),
    ),
    "faceforensics": Experiment(
        generator="faceforensics-fid10.9920-snapshot-008765.pt",
        resolution=256,
        videos="faceforensics",
        epochs=100,
        evaluations=(FVD, IDENTITY + " --ground-truth videos/{videos}"),
    ),
    "sky": Experiment(
        generator="sky-fid10.8013-snapshot-012633.pt",
        resolution=128,
        videos="sky",
        epochs=200,
        evaluations=(
            FVD,
            "moco eval prediction {name}/run/motion.safetensors --videos videos/sky-test "
            "--perceptual vgg16 --num-steps 20000",
        ),
    ),
    "ffhq-vox": Experiment(
        generator="ffhq_256.pt",
        resolution=256,
        videos="voxceleb",
        epochs=30,
        evaluations=(IDENTITY,),
    ),
    "ffhq1024-vox": Experiment(
        generator="stylegan2-ffhq-config-f.pt",
        resolution=1024,
        videos="voxceleb",
        epochs=30,
        evaluations=(IDENTITY,),
    ),
    "afhq-vox": Experiment(
        generator="afhq-dog-fid7.8476-005655.pt", resolution=512, videos="voxceleb", epochs=100
    ),
    "anime-vox": Experiment(
        generator="2020-01-11-skylion-stylegan2-animeportraits-networksnapshot-024664.pt",
        resolution=512,
        videos="voxceleb",
        epochs=100,
    ),
    "church-tlvdb": Experiment(
        generator="stylegan2-church-config-f.pt", resolution=256, videos="tlvdb", epochs=200
    ),
    "biggan-vox": Experiment(
        generator="biggan-ffhq-128.pth",
        resolution=128,
        videos="voxceleb",
        epochs=None,
        evaluations=(IDENTITY,),
    ),
    "bair": Experiment(
        generator="bair-64.pt",
        resolution=64,
        videos="bair",
        epochs=None,
        evaluations=(
            "moco pca {name}/generator.safetensors --plot {name}/variance.png -o {name}/all.npz",
            "moco traverse {name}/generator.safetensors --pca {name}/pca.npz "
            "--num-components 20 -o {name}/directions.png",
        ),
    ),
}
"""By preset. Source: script/ of snap-research/MoCoGAN-HD; for files without a script, the paper."""


def list_preset_rows() -> list[tuple[str, ...]]:
    """Return a row a preset: what it sets, and what the scripts say beside."""
    rows = []
    for name, experiment in EXPERIMENTS.items():
        config = TrainMotionConfig.from_recipe(**PRESETS[name])
        row = (
            f"`{name}`",
            "cross" if config.cross_domain else "in",
            str(config.batch_size),
            str(config.frame_size),
            str(config.frame_stride),
            f"{config.feature_weight:g}",
            str(experiment.epochs or "-"),
            f"{experiment.resolution} px",
        )
        rows.append(row)
    return rows


def render_script(name: str) -> str:
    """Return the lines from weights to videos and the paper's metrics, as a block of shell."""
    experiment = EXPERIMENTS[name]
    lines = [
        f"mkdir -p {name}",
        f"moco convert weights/{experiment.generator} -o {name}/generator.safetensors",
        f"moco pca {name}/generator.safetensors --num-samples 1000000 -o {name}/pca.npz",
        f"moco train-motion --preset {name} --videos videos/{experiment.videos} \\",
        f"  --generator {name}/generator.safetensors --pca {name}/pca.npz \\",
        f"  --num-epochs {experiment.passes} -o {name}/run",
        f"moco sample {name}/run/motion.safetensors --num-videos 2048 -o {name}/walk.npz",
        f"moco sample {name}/run/motion.safetensors --num-videos 16 -o {name}/few.npz",
        f"moco interpolate {name}/few.npz --factor 2 -o {name}/long.npz",
        f"moco render {name}/long.npz --grid -o {name}/clips.mp4",
    ]
    lines += [x.format(name=name, videos=experiment.videos) for x in experiment.evaluations]
    return "\n".join(["```sh", *lines, "```"])
