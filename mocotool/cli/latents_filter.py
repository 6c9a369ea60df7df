"""Shared part of the commands from latents to latents: output, generator, rendering."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file, read_trajectory
from mocotool.cli.outputs import (
    Output,
    OutputOptions,
    choose_trajectory_output,
    write_trajectory,
)
from mocotool.cli.report import Report
from mocotool.configs.edit import EditConfig
from mocotool.configs.react import ReactConfig
from mocotool.configs.render import RenderConfig

if TYPE_CHECKING:
    from mocotool.basis import PCABasis
    from mocotool.generators.base import Generator
    from mocotool.latents import Trajectory
    from mocotool.provenance import FileRecord


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentsFilter:
    """The options that all such commands share, and what is done with them."""

    generator: opt.RecordedGenerator = None
    render: RenderConfig
    output: OutputOptions
    computing: opt.Computing
    report: Report

    def choose_output(self) -> Output:
        """Decide what goes where, before anything heavy is loaded.

        Raises:
            ConfigError: The output cannot be written.
            FileFormatError: The generator's file is missing.
        """
        check_optional_file(self.generator)
        return choose_trajectory_output(self.output, json=self.report.json, config=self.render)

    def read(self, source: str) -> "tuple[Trajectory, str]":
        """Read latents from a file or stdin; return them with the name they have in messages."""
        find = None if self.generator is None else lambda: self.named_generator
        return read_trajectory(source, find_generator=find)

    @functools.cached_property
    def named_generator(self) -> "Generator":
        """The generator named by `--generator`, loaded once."""
        from mocotool.generators.loading import load_generator

        assert self.generator is not None
        device, precision = self.computing.resolve(self.report)
        return load_generator(self.generator, device=device, precision=precision)

    def load_generator(
        self, record: "FileRecord | None", *, name: str, or_bundled: bool = False
    ) -> "Generator":
        """Load the named generator, else the recorded one; torch is imported here.

        Args:
            record: The generator recorded in the latents.
            name: Name of the latents in messages.
            or_bundled: Fall back to the bundled generator.

        Raises:
            ConfigError: There is none.
        """
        if self.generator is not None:
            return self.named_generator
        device, precision = self.computing.resolve(self.report)
        if or_bundled and record is None:
            from mocotool.generators.loading import load_generator

            return load_generator(device=device, precision=precision)
        from mocotool.generators.recorded import find_generator

        return find_generator(None, record, name=name, device=device, precision=precision)

    def find_basis(
        self,
        trajectory: "Trajectory",
        config: EditConfig | ReactConfig,
        pca: Path | None,
        *,
        name: str,
    ) -> "PCABasis":
        """Read the named basis, or compute that of the latents' generator."""
        if pca is not None:
            from mocotool.basis import read_basis

            return read_basis(pca)
        from mocotool.configs.pca import PCAConfig
        from mocotool.pca import fit_pca_basis

        generator = self.load_generator(trajectory.meta.generator, name=name)
        self.report.note(f"no --pca: computing a basis of {config.num_samples} latents")
        pca_config = PCAConfig(num_samples=config.num_samples)
        with self.report.progress("latents", config.num_samples) as advance:
            return fit_pca_basis(generator, config=pca_config, progress=advance)

    def count_layers(
        self, trajectory: "Trajectory", layers: tuple[int, int] | None, *, name: str
    ) -> int | None:
        """Return the number of layers of the generator, if needed to select layers of latents in w.

        It is `None`, and no generator is loaded, for latents in w+, which have a layer axis, and if
        no layers are selected.
        """
        if layers is None or trajectory.meta.space != "w":
            return None
        return self.load_generator(trajectory.meta.generator, name=name).num_ws

    def write(self, trajectory: "Trajectory", target: Output, *, name: str) -> None:
        """Write latents, or render them; only rendering loads the generator.

        Args:
            trajectory: The result of the command.
            target: Output and format.
            name: Name of the input latents in messages.
        """
        write_trajectory(
            trajectory,
            target,
            find_generator=lambda: self.load_generator(trajectory.meta.generator, name=name),
            config=self.render,
            report=self.report,
            name=name,
        )
