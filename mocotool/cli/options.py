"""Options that several commands share, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

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
    typer.Argument(metavar="[GENERATOR]", help="Generator weights; the bundled ones if left out."),
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
