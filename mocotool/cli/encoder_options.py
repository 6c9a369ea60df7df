"""Options of the encoder that initialises a search."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.configs.invert import SearchSpace

if TYPE_CHECKING:
    from mocotool.generators.base import Generator
    from mocotool.inversion.encoder import LatentEncoder

NO_ENCODER = Path("none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """The encoder that initialises a search."""

    encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|none",
            help="Encoder for the initialisation (moco train-encoder); none: sampled latents are "
            "rendered for that.",
            show_default="the bundled generator's own, else none",
        ),
    ] = None

    def check(self) -> None:
        """Check that the file is there, before anything heavy is loaded.

        Raises:
            FileFormatError: It is missing.
        """
        if self.encoder != NO_ENCODER:
            check_optional_file(self.encoder)

    def load(
        self, generator: "Generator", report: Report, *, space: SearchSpace | None = None
    ) -> "LatentEncoder | None":
        """Return the named encoder or the bundled one for the generator; report which.

        Args:
            generator: The generator whose latents are searched.
            report: Gets a note with the encoder's name.
            space: Search space; in spaces that no encoder supports, none is loaded.

        Raises:
            FileFormatError: The file is damaged, or not an encoder.
            MismatchError: It was trained for latents or pictures of another size.
        """
        from mocotool.inversion.encoder import check_encoder_fits
        from mocotool.inversion.encoder_files import (
            BUNDLED_ENCODER,
            find_encoder,
            load_encoder,
        )
        from mocotool.inversion.starts import choose_space, encodes_space

        if self.encoder == NO_ENCODER:
            return None
        if self.encoder is None:
            if not encodes_space(generator, choose_space(generator, space)):
                return None
            found = find_encoder(generator)
            if found is not None:
                report.note(f"encoder: bundled:{BUNDLED_ENCODER.name}")
            return found
        named = load_encoder(self.encoder, device=generator.device)
        report.warn_if(check_encoder_fits(named, generator))
        return named
