"""`moco invert`: find the latents of images, or of the frames of a video."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mocotool.cli import options as opt
from mocotool.cli.clip_inversion import holds_videos, invert_folder
from mocotool.cli.encoder_options import EncoderOptions
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.outputs import Output, OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.cli.streams import binary_stdout
from mocotool.configs.invert import (
    DEFAULT_ALIGN,
    DEFAULT_PERCEPTUAL,
    AlignChoice,
    InvertConfig,
    PerceptualChoice,
)
from mocotool.configs.invert_clips import InvertClipsConfig
from mocotool.configs.option import list_fields, parse_numbers
from mocotool.configs.render import RenderConfig
from mocotool.configs.shard import WHOLE, Shard, fingerprint_whole, parse_shard, take_share
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError, FileFormatError
from mocotool.fetched import locate
from mocotool.files import check_output_path

if TYPE_CHECKING:
    import torch

    from mocotool.arrays import FramesU8
    from mocotool.generators.base import Generator
    from mocotool.inversion.objective import ImageFeatures
    from mocotool.inversion.search import Inversion
    from mocotool.video.stills import Stills

CLIPS = "Whole clips"
PERCEPTUAL_NOTES: dict[PerceptualChoice, str] = {
    "squeezenet": "perceptual squeezenet: LPIPS (SqueezeNet, Caffe weights)",
    "vgg16": "perceptual vgg16: {}",
    "none": "perceptual none: pixels and gradients at several sizes",
}
MAX_LISTED = 32
SHEET_ADVICE = "the latents are not kept; -o latents.npz --sheet FILE.png keeps both"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerceptualOptions:
    """The perceptual network of the objective."""

    perceptual: Annotated[
        PerceptualChoice | None,
        typer.Option(
            help="squeezenet, vgg16, or none: pixels and gradients at several sizes.",
            show_default=f"{DEFAULT_PERCEPTUAL}, or vgg16 with --perceptual-weights",
        ),
    ] = None
    perceptual_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="torchvision's VGG16; `moco fetch vgg16` if left out."),
    ] = None

    def choose(self) -> tuple[PerceptualChoice, Path | None]:
        """Return the perceptual network, and its weights file if it has one.

        Raises:
            ConfigError: Weights were named for something other than VGG16.
            FileFormatError: The named file is missing.
            UnavailableError: VGG16 was asked for, and its weights are not here.
        """
        perceptual, file = self.perceptual, self.perceptual_weights
        if perceptual is None:
            perceptual = DEFAULT_PERCEPTUAL if file is None else "vgg16"
        if perceptual == "vgg16":
            return perceptual, find_weights("vgg16", file=file)
        if file is not None:
            raise ConfigError(
                f"--perceptual {perceptual} takes no weights, got --perceptual-weights",
                hint="--perceptual vgg16",
            )
        return perceptual, None


def invert(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE_OR_VIDEO...",
            help="Images, folders of images, one video, or many videos or folders of them; zips "
            "and tars are folders too.",
        ),
    ],
    *,
    generator: opt.GeneratorOption = None,
    config: InvertConfig,
    features: PerceptualOptions,
    encoder: EncoderOptions,
    align: Annotated[
        AlignChoice,
        typer.Option(
            help="How pictures are cropped: centre, whole (none), or the largest face, aligned as "
            "in FFHQ (needs the pip extra faces)."
        ),
    ] = DEFAULT_ALIGN,
    frames: Annotated[
        str | None,
        typer.Option(metavar="0-15,20", help="Frames of a video; all if left out."),
    ] = None,
    together: Annotated[
        bool | None,
        typer.Option(
            "--together/--apart",
            help="Optimise all frames of a video together, smooth in time, or each separately.",
            show_default="together for several videos, apart for one",
            rich_help_panel=CLIPS,
        ),
    ] = None,
    clips: InvertClipsConfig,
    tune: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.safetensors",
            help="Also tune the generator to the pictures (pivotal tuning), and write the changes; "
            "the latents then belong to that file.",
        ),
    ] = None,
    as_video: Annotated[
        bool, typer.Option("--as-video", help="The images are the frames of one video.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw target, reconstruction and difference.",
            rich_help_panel="Output",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Output; the suffix sets the format: .npz latents; .png target, "
            "reconstruction and difference; .mp4 and other videos the reconstruction; - is stdout.",
            rich_help_panel="Output",
        ),
    ] = None,
    force: opt.Force = False,
    shard: opt.ShardOption = opt.WHOLE_SHARD,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Find the latents that render given images.

    Several images give a trajectory of one frame each, for `moco sample --start`; a video gives
    one trajectory of all its frames. Several videos, or a folder of them, give one trajectory
    each, with all frames optimised together; if interrupted, run the same command to continue.
    Images are cropped to the centre square and resized, unless --align says otherwise.

    Example: moco invert photo.png | moco sample --start - | moco interpolate -o next.mp4
    """
    frame_idxs = None if frames is None else parse_numbers(frames)
    part = parse_shard(shard)
    inputs = [locate(path) for path in inputs]
    check_paths(inputs)
    check_optional_file(generator)
    encoder.check()

    # whole clips, whose frames are found together
    if together or (together is None and holds_videos(inputs)):
        refuse_options_of_pictures(
            config,
            align=align != DEFAULT_ALIGN,
            perceptual=features.perceptual is not None,
            perceptual_weights=features.perceptual_weights is not None,
            frames=frames is not None,
            as_video=as_video,
            tune=tune is not None,
            sheet=sheet is not None,
        )
        invert_folder(
            inputs,
            out=out,
            force=force,
            generator=generator,
            encoder=encoder,
            config=clips,
            shard=part,
            computing=computing,
            report=report,
        )
        return

    # pictures, or the frames of one video: outputs first, so that nothing is computed in vain
    output = choose_trajectory_output(OutputOptions(out=out, force=force), json=report.json)
    refuse_whole_results(part, is_latents=output.format == "npz", tunes=tune is not None)
    for path in (sheet, tune):
        if path is not None:
            check_output_path(path, force=force)
    chosen, weights = features.choose()

    from mocotool.generators.loading import load_generator
    from mocotool.inversion.search import invert as invert_images
    from mocotool.layouts import from_frames_u8, to_channels_last, to_frames_u8
    from mocotool.networks.dlib_faces import LandmarkFinder
    from mocotool.video.comparison import draw_comparison
    from mocotool.video.pictures import write_png
    from mocotool.video.stills import find_stills

    # uint8 [n, 3, h, w], cut as the generator's training data were
    stills = find_stills(inputs, as_video=as_video, frame_idxs=frame_idxs)
    device, precision = computing.resolve(report)
    network = load_generator(generator, device=device, precision=precision)
    guess = encoder.load(network, report, space=config.space)
    stills, parts = take_part(
        stills,
        part,
        batch_size=config.choose_batch_size(network.resolution),
        made_with=[dataclasses.asdict(config), align, guess.sha256 if guess else None],
    )
    loaded = load_features(chosen, weights, device)
    cuts = stills.describe_cuts(network.img_size, align=align)
    _say_what_is_done(report, network, config, cuts, PERCEPTUAL_NOTES[chosen].format(weights))
    finder = LandmarkFinder() if align == "face" else None
    wanted_u8 = to_channels_last(stills.read(network.img_size, align=align, landmarks=finder))

    # search, and then tune where that is asked for
    began = time.perf_counter()
    wanted = from_frames_u8(wanted_u8)
    with report.progress("steps", len(wanted) * config.num_steps_in_all) as advance:
        found = invert_images(
            network, wanted, config=config, features=loaded, encoder=guess, progress=advance
        )
    written = {} if sheet is None else {"sheet": str(sheet)}
    if tune is not None:
        written |= {"tuned": str(tune), "before_tuning": f"PSNR {found.psnr.mean():.2f} dB"}
        found = tune_to(tune, network, wanted, found, config, features=loaded, report=report)
        network = load_generator(tune, device=device, precision=precision)

    # figures, the sheet, and the latents
    values = written | describe_inversion(
        stills, found, seconds=time.perf_counter() - began, as_json=report.json
    )
    if output.is_stdout:
        _note_figures(report, values)
    picture = draw_comparison(wanted_u8, to_frames_u8(found.img).numpy())
    if sheet is not None:
        write_png(sheet, picture)
    if output.format == "png":
        write_sheet(picture, output, values, report)
        return
    write_trajectory(
        found.to_trajectory(network, as_video=stills.is_video, fps=stills.fps, **parts),
        output,
        find_generator=lambda: network,
        config=RenderConfig(noise=config.noise),
        report=report,
        values=values,
    )


def refuse_whole_results(part: Shard, *, is_latents: bool, tunes: bool) -> None:
    """Refuse what a shard cannot make.

    Raises:
        ConfigError: A shard was asked for, and what it finds cannot be merged.
    """
    if part == WHOLE:
        return
    if not is_latents:
        raise ConfigError("--shard makes a part of the latents", hint="-o part.npz")
    if tunes:
        raise ConfigError("--tune fits one generator to all images, and --shard takes a part")


def take_part(
    stills: "Stills", part: Shard, *, batch_size: int, made_with: list[Any]
) -> "tuple[Stills, dict[str, Any]]":
    """Return the images of a shard, and the record of the shard for their latents.

    Shards begin at batch boundaries if there are enough images, so that all batches stay the same.

    Raises:
        ConfigError: The images are the frames of one video, or none is left for the shard.
    """
    if part == WHOLE:
        return stills, {}
    names = [entry.path.name for entry in stills.entries]
    whole = fingerprint_whole([*made_with, names])
    share = take_share(len(names), part, multiple=batch_size)
    return stills.take(share), {"shard": part, "shard_of": whole}


def tune_to(
    path: Path,
    generator: "Generator",
    images: "torch.Tensor",
    found: "Inversion",
    config: InvertConfig,
    *,
    features: "ImageFeatures",
    report: Report,
) -> "Inversion":
    """Tune the generator to the pictures, write the changes, and return the new inversion."""
    from mocotool.generators.tuned import write_tuning
    from mocotool.inversion.tuning import tune_generator

    with report.progress("tuning steps", config.num_tune_steps) as advance:
        tuning, found = tune_generator(
            generator, images, found, config=config, features=features, progress=advance
        )
    write_tuning(tuning, path)
    return found


def refuse_options_of_pictures(config: InvertConfig, **others: bool) -> None:
    """Refuse options that have no effect when whole clips are inverted.

    Args:
        config: Settings of the search for single pictures.
        **others: Further options of it, by name, and whether they were typed.

    Raises:
        ConfigError: One of them was typed; the message names it.
    """
    defaults = InvertConfig()
    shared = list_fields(InvertClipsConfig)
    changed = {
        name: getattr(config, name) != getattr(defaults, name)
        for name, field in list_fields(InvertConfig).items()
        if name not in shared or not shared[name].option.typed
    }
    for name, is_asked in (changed | others).items():
        if is_asked:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for pictures and single videos, whole clips are "
                "found by their pixels, all frames together",
                hint="add --apart, or leave the option out",
            )


def check_paths(paths: list[Path]) -> None:
    """Check that all inputs exist, before anything heavy is loaded."""
    for path in paths:
        if not path.exists():
            raise FileFormatError(
                f"{path}: no such file or folder", hint="check the path; `ls` shows what is there"
            )


def load_features(
    perceptual: PerceptualChoice, weights: Path | None, device: "torch.device"
) -> "ImageFeatures":
    """Load the perceptual network."""
    from mocotool.inversion.objective import PyramidFeatures, SqueezeNetFeatures
    from mocotool.networks.lpips import load_lpips
    from mocotool.networks.vgg16 import load_vgg16

    if perceptual == "vgg16":
        assert weights is not None
        return load_vgg16(weights, device=device)
    if perceptual == "squeezenet":
        return SqueezeNetFeatures(load_lpips(device=device))
    return PyramidFeatures()


def list_cuts(lines: list[str]) -> list[str]:
    """Return the first lines of many, and how many more there are."""
    rest = [f"and {len(lines) - MAX_LISTED} more sizes"] if len(lines) > MAX_LISTED else []
    return lines[:MAX_LISTED] + rest


def _say_what_is_done(
    report: Report, network: "Generator", config: InvertConfig, cuts: list[str], perceptual: str
) -> None:
    for line in [*list_cuts(cuts), perceptual]:
        report.note(line)
    if network.space == "w":
        report.note(f"noise {config.noise}: render with --noise {config.noise} as well")


def describe_inversion(
    stills: "Stills",
    found: "Inversion",
    *,
    seconds: float,
    as_json: bool,
) -> dict[str, Any]:
    """Return the report: all figures of all images as JSON, or a line per image as text."""
    images = [
        {
            "name": name,
            "pixel_mse": round(mse, 6),
            "psnr_db": round(psnr, 2),
            "ssim": round(ssim, 4),
            "perceptual": round(perceptual, 5),
            "num_steps": steps,
        }
        for name, mse, psnr, ssim, perceptual, steps in zip(
            stills.names,
            found.pixel_mse.tolist(),
            found.psnr.tolist(),
            found.ssim.tolist(),
            found.perceptual.tolist(),
            found.num_steps.tolist(),
            strict=True,
        )
    ]

    keys = ("pixel_mse", "psnr_db", "ssim", "perceptual", "num_steps")
    mean = {key: sum(float(image[key]) for image in images) / len(images) for key in keys}
    values: dict[str, Any] = {
        "perceptual": found.perceptual_name,
        "seconds": round(seconds, 2),
        "seconds_per_image": round(seconds / len(images), 3),
        "mean": mean,
    }
    if as_json:
        return values | {"images": images}

    # for people: the first few, in words
    listed = {str(image["name"]): _figures(image) for image in images[:MAX_LISTED]}
    if len(images) > MAX_LISTED:
        listed["..."] = f"{len(images) - MAX_LISTED} more; --json lists all"
    return values | {"mean": _figures(mean)} | listed


def _figures(values: dict[str, Any]) -> str:
    return (
        f"PSNR {values['psnr_db']:.2f} dB  SSIM {values['ssim']:.4f}  "
        f"pixel MSE {values['pixel_mse']:.3g}  perceptual {values['perceptual']:.3g}  "
        f"steps {values['num_steps']:.0f}"
    )


def _note_figures(report: Report, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, str) and value.startswith("PSNR"):
            report.note(f"{name}: {value}")


def write_sheet(
    picture: "FramesU8", output: Output, values: dict[str, Any], report: Report
) -> None:
    """Write the comparison sheet in place of the latents."""
    from mocotool.video.pictures import write_png

    report.note(SHEET_ADVICE)
    if output.is_stdout:
        with binary_stdout() as stream:
            write_png(stream, picture)
        return
    write_png(Path(output.target), picture)
    report.result({"wrote": output.target} | values, quiet_hides=True)
