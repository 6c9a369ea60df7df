"""Options that several commands share, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.configs.render import NoiseChoice, OutputFormat

Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel="Computing")
]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32, bf16 or fp16; auto is bf16 where the hardware has it.",
        rich_help_panel="Computing",
    ),
]
TrainingPrecision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 or bf16; auto is bf16 where the hardware has it.",
        rich_help_panel="Computing",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout.", rich_help_panel="Output")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Errors only.", rich_help_panel="Output")
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite existing files.", rich_help_panel="Output")
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="Where to write; - is stdout.", rich_help_panel="Output"
    ),
]
GeneratorArgument = Annotated[
    Path | None,
    typer.Argument(metavar="GENERATOR", help="Generator weights; the bundled ones if left out."),
]
GeneratorOption = Annotated[
    Path | None,
    typer.Option(
        "--generator", metavar="FILE", help="Generator weights; the bundled ones if left out."
    ),
]
PCAOption = Annotated[
    Path | None,
    typer.Option("--pca", metavar="FILE", help="PCA basis (.npz), or the authors' folder of .npy."),
]

LatentsArgument = Annotated[
    str | None,
    typer.Argument(metavar="LATENTS", help="Latents (.npz), or - for stdin; a pipe if left out."),
]
RecordedGenerator = Annotated[
    Path | None,
    typer.Option(
        "--generator",
        metavar="FILE",
        help="Generator weights; those the latents were made with if left out.",
    ),
]
PicturesOut = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Where to write; the ending decides what: .npz latents; .mp4 .webm .mkv .gif .apng "
        "a video each; .png a contact sheet; - is stdout.",
        rich_help_panel="Output",
    ),
]
Format = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format",
        help="What to write, in place of what the ending says.",
        rich_help_panel="Output",
    ),
]
Grid = Annotated[
    bool,
    typer.Option(
        "--grid", help="Show several videos side by side in one.", rich_help_panel="Output"
    ),
]
Noise = Annotated[
    NoiseChoice,
    typer.Option(
        help="Per-pixel noise: the file's own, drawn once a video, or none.",
        rich_help_panel="Output",
    ),
]
RenderFps = Annotated[
    float | None,
    typer.Option(
        help="Frames a second of videos; what the latents say if left out.",
        rich_help_panel="Output",
    ),
]
ChunkSize = Annotated[
    int,
    typer.Option(
        min=1, help="Frames rendered at once; memory grows with it.", rich_help_panel="Computing"
    ),
]
TruncationPsi = Annotated[
    float,
    typer.Option(help="1 leaves the first latent as drawn, 0 takes the most average one."),
]


def is_given(ctx: typer.Context, name: str) -> bool:
    """Tell whether an option was typed, even if with its default value."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def parse_optional_numbers(text: str | None) -> tuple[int, ...] | None:
    """Turn the text of an option that may be left out into numbers; see `parse_numbers`."""
    return None if text is None else tuple(parse_numbers(text))


def parse_numbers(text: str) -> list[int]:
    """Turn "0-3,9" into [0, 1, 2, 3, 9].

    Raises:
        typer.BadParameter: The text is not a list of whole numbers and ranges.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise typer.BadParameter(f"{text!r}: expected numbers and ranges such as 0-3,9")
        start, stop = int(first), int(last or first)
        if stop < start or stop - start >= 1_000_000:
            raise typer.BadParameter(f"{text!r}: the range {part.strip()} is empty or too long")
        numbers.extend(range(start, stop + 1))
    return numbers
