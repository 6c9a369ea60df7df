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


FVD = (
    "moco eval fvd videos/{videos} {name}/walk.npz --protocol paper --real-stride 2 --ground-truth"
)
MANY = "moco sample {name}/run/motion.safetensors --num-videos 10000 -o {name}/many.npz"
SCORE = "moco eval is {name}/many.npz --frame-size 128 --ground-truth videos/{videos}"
IDENTITY = "moco eval acd {name}/walk.npz"

EXPERIMENTS = {
    "ucf101": Experiment(
        generator="ucf-256-fid41.6761-snapshot-006935.pt",
        resolution=256,
        videos="ucf101",
        epochs=20,
        evaluations=(MANY, SCORE, FVD.replace("paper", "paper-ucf101")),
    ),
    "ucf101-128": Experiment(
        generator="ucf-128.pt",
        resolution=128,
        videos="ucf101",
        epochs=None,
        evaluations=(MANY, SCORE, FVD.replace("paper", "paper-ucf101")),
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
            "--perceptual vgg16 --num-steps 20000 --num-polish-steps 0 --frames {name}/predicted",
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
    return "\n".join(["```sh needs the paper's weights and videos", *lines, "```"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A table of the paper, or figures of one kind."""

    title: str
    """Its number, where it is known, and what it shows."""
    commands: tuple[str, ...]
    """What makes its rows or pictures, once the data set's script has run."""
    lacks: str
    """What of it cannot be had here."""


WEIGHTS = "the generator's weights and the videos"
UNRELEASED = "a generator: it was not released"
ABLATED = (
    "moco train-motion --preset {preset} --ablate {part} --videos videos/{videos} "
    "--generator {preset}/generator.safetensors --pca {preset}/pca.npz --num-epochs {epochs} "
    "-o {preset}/no-{part}"
)


def _ablations(preset: str, *parts: str) -> tuple[str, ...]:
    experiment = EXPERIMENTS[preset]
    values = {"preset": preset, "videos": experiment.videos, "epochs": experiment.passes}
    return tuple(ABLATED.format(part=part, **values) for part in parts)


def _metrics(preset: str) -> tuple[str, ...]:
    experiment = EXPERIMENTS[preset]
    return tuple(x.format(name=preset, videos=experiment.videos) for x in experiment.evaluations)


def _clips(preset: str) -> tuple[str, ...]:
    return (
        f"moco sample {preset}/run/motion.safetensors --num-videos 9 -o {preset}/nine.npz",
        f"moco render {preset}/nine.npz --grid -o {preset}/nine.mp4",
    )


EXHIBITS = (
    Exhibit(
        title="Table 1: UCF-101, Inception score and FVD",
        commands=_metrics("ucf101"),
        lacks=f"{WEIGHTS}; the rows of other methods are those of their papers",
    ),
    Exhibit(
        title="Table 2: FaceForensics, FVD, ACD and human preference",
        commands=(
            *_metrics("faceforensics"),
            "mkdir -p faceforensics/ours",
            "moco render faceforensics/walk.npz -o faceforensics/ours/clip.mp4",
            "moco compare faceforensics/ours faceforensics/theirs -o faceforensics/page",
            "moco compare tally votes-*.json",
        ),
        lacks=f"{WEIGHTS}; people to ask, and the other method's videos",
    ),
    Exhibit(
        title="Table 3: Sky Time-lapse, FVD, and PSNR and SSIM of prediction",
        commands=_metrics("sky"),
        lacks=f"{WEIGHTS}; the other method's videos",
    ),
    Exhibit(
        title="Table 4: what each part brings on UCF-101",
        commands=(
            *_ablations("ucf101", "residual", "image-disc", "video-disc", "mutual-info"),
            "moco sample ucf101/no-residual/motion.safetensors --num-videos 10000 "
            "-o ucf101/no-residual.npz",
            "moco eval is ucf101/no-residual.npz --frame-size 128 --ground-truth videos/ucf101",
            "moco eval fvd videos/ucf101 ucf101/no-residual.npz --protocol paper-ucf101 "
            "--real-stride 2",
        ),
        lacks=f"{WEIGHTS}; the last three lines are for each of the four",
    ),
    Exhibit(
        title="Table 5: what each part brings across domains, by human preference",
        commands=(
            *_ablations("ffhq-vox", "contrastive", "mutual-info"),
            "mkdir -p ffhq-vox/with ffhq-vox/without",
            "moco sample ffhq-vox/no-contrastive/motion.safetensors --num-videos 50 "
            "-o ffhq-vox/without/clip.mp4",
            "moco sample ffhq-vox/run/motion.safetensors --num-videos 50 -o ffhq-vox/with/clip.mp4",
            "moco compare ffhq-vox/with ffhq-vox/without -o ffhq-vox/page",
            "moco compare tally votes-*.json",
        ),
        lacks="the videos, and people to ask",
    ),
    Exhibit(
        title="Table 7: FID of the image generators",
        commands=(
            "moco fetch inception",
            "moco sample ucf101/run/motion.safetensors --num-videos 50000 --num-frames 1 "
            "-o ucf101/frames.npz",
            "moco eval fid videos/ucf101 ucf101/frames.npz",
        ),
        lacks=f"{WEIGHTS}; the lines are for each generator in turn",
    ),
    Exhibit(
        title="Table 8: human preference",
        commands=(
            "moco compare faceforensics/ours faceforensics/theirs --grid 3 "
            "-o faceforensics/grid-page",
            "moco compare tally votes-*.json",
        ),
        lacks="people to ask, and the other method's videos",
    ),
    Exhibit(
        title="Figures of generated videos",
        commands=tuple(line for name in EXPERIMENTS if name != "bair" for line in _clips(name)),
        lacks=f"{WEIGHTS}; for BigGAN, {UNRELEASED}",
    ),
    Exhibit(
        title="Figures of one content in several motions, and of one motion of several contents",
        commands=(
            "moco sample ffhq-vox/run/motion.safetensors --seeds 1,1,1 --motion-seeds 1,2,3 "
            "-o ffhq-vox/motions.npz",
            "moco sample ffhq-vox/run/motion.safetensors --seeds 1,2,3 --motion-seeds 1,1,1 "
            "-o ffhq-vox/contents.npz",
            "moco render ffhq-vox/motions.npz --grid -o ffhq-vox/motions.mp4",
            "moco render ffhq-vox/contents.npz --grid -o ffhq-vox/contents.mp4",
        ),
        lacks=WEIGHTS,
    ),
    Exhibit(
        title="Figures of longer videos: 64 frames unrolled, and 16 made 32",
        commands=(
            "moco sample sky/run/motion.safetensors --num-frames 64 -o sky/longer.npz",
            "moco render sky/longer.npz --grid -o sky/longer.mp4",
            "moco interpolate sky/few.npz --factor 2 -o sky/finer.npz",
            "moco render sky/finer.npz --grid -o sky/finer.mp4",
        ),
        lacks=WEIGHTS,
    ),
    Exhibit(
        title="Appendix D: the mean video and the deviation over motions",
        commands=(
            "moco eval diversity ffhq-vox/run/motion.safetensors "
            "--generator ffhq-vox/generator.safetensors --pictures ffhq-vox/diversity",
            "moco eval diversity ffhq-vox/no-mutual-info/motion.safetensors "
            "--generator ffhq-vox/generator.safetensors",
        ),
        lacks=WEIGHTS,
    ),
    Exhibit(
        title="Appendix E: variance that the components hold, and what each of them does",
        commands=_metrics("bair"),
        lacks=UNRELEASED,
    ),
)
"""What the paper shows, in its order.

Table 6 and the numbers of the figures are left out: nothing at hand says what they show.
"""


def render_exhibits() -> str:
    """Return a block of shell for each of `EXHIBITS`, with what cannot be had."""
    parts = []
    for exhibit in EXHIBITS:
        language = f"sh needs {exhibit.lacks.partition(';')[0]}"
        block = "\n".join([f"```{language}", *exhibit.commands, "```"])
        parts.append(f"### {exhibit.title}\n\n{block}\n\nNot to be had here: {exhibit.lacks}.")
    return "\n\n".join(parts)
