"""`moco invert`: find the latents of images, or of the frames of a video."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.clip_inversion import holds_videos, invert_folder
from mocotool.cli.encoder_options import EncoderOptions
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.outputs import OutputOptions
from mocotool.cli.perceptual_options import PerceptualOptions
from mocotool.cli.picture_inversion import PictureOutputs, invert_pictures
from mocotool.cli.report import Report
from mocotool.configs.invert import DEFAULT_ALIGN, AlignChoice, InvertConfig
from mocotool.configs.invert_clips import InvertClipsConfig
from mocotool.configs.option import list_fields, parse_numbers
from mocotool.configs.shard import parse_shard
from mocotool.errors import ConfigError, FileFormatError
from mocotool.fetched import locate

CLIPS = "Whole clips"


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

    # pictures, or the frames of one video, each on its own
    invert_pictures(
        inputs,
        outputs=PictureOutputs(main=OutputOptions(out=out, force=force), sheet=sheet, tune=tune),
        generator=generator,
        encoder=encoder,
        features=features,
        config=config,
        align=align,
        frame_idxs=frame_idxs,
        as_video=as_video,
        shard=part,
        computing=computing,
        report=report,
    )


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
