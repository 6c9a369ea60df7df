"""Inversion of pictures, or of the frames of one video each on its own, by `moco invert`."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.cli.encoder_options import EncoderOptions
from mocotool.cli.options import Computing
from mocotool.cli.outputs import Output, OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.perceptual_options import PerceptualOptions, describe_features, load_features
from mocotool.cli.report import MAX_LISTED, Report, list_first
from mocotool.cli.streams import binary_stdout
from mocotool.configs.invert import AlignChoice, InvertConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.shard import WHOLE, Shard, fingerprint_whole, take_share
from mocotool.errors import ConfigError
from mocotool.files import check_output_path

if TYPE_CHECKING:
    import torch

    from mocotool.arrays import FramesU8
    from mocotool.generators.base import Generator
    from mocotool.inversion.objective import ImageFeatures
    from mocotool.inversion.search import Inversion
    from mocotool.video.stills import Stills

SHEET_ADVICE = "the latents are not kept; -o latents.npz --sheet FILE.png keeps both"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureOutputs:
    """The files to write."""

    main: OutputOptions
    """Latents, the sheet or the reconstruction."""
    sheet: Path | None
    """Comparison sheet beside them."""
    tune: Path | None
    """Changes of the generator by tuning."""

    def check(self, part: Shard, *, json: bool) -> Output:
        """Choose the main output; fail now rather than after the work.

        Raises:
            ConfigError: A file exists or cannot be written, or cannot be made of a shard.
        """
        output = choose_trajectory_output(self.main, json=json)
        refuse_whole_results(part, is_latents=output.format == "npz", tunes=self.tune is not None)
        for path in (self.sheet, self.tune):
            if path is not None:
                check_output_path(path, force=self.main.force)
        return output


def invert_pictures(
    paths: Sequence[Path],
    *,
    outputs: PictureOutputs,
    generator: Path | None,
    encoder: EncoderOptions,
    features: PerceptualOptions,
    config: InvertConfig,
    align: AlignChoice,
    frame_idxs: Sequence[int] | None,
    as_video: bool,
    shard: Shard,
    computing: Computing,
    report: Report,
) -> None:
    """Invert pictures, and write their latents, a comparison sheet or the reconstruction.

    Args:
        paths: Images, folders of them, or one video.
        outputs: The files to write.
        generator: File of the generator; `None` is the bundled one.
        encoder: Encoder that initialises the search.
        features: Perceptual network of the objective.
        config: Settings of the search.
        align: How pictures are cropped.
        frame_idxs: Frames of a video; `None` is all.
        as_video: Whether images are the frames of one video.
        shard: Part of the images to invert.
        computing: Device and precision.
        report: For notes, progress and the result.

    Raises:
        ConfigError: An output cannot be written, or options do not go together.
        FileFormatError: There are no pictures, or they cannot be read.
        MismatchError: The encoder does not fit the generator.
    """
    output = outputs.check(shard, json=report.json)
    chosen, weights = features.choose()

    from mocotool.generators.loading import load_generator
    from mocotool.inversion.search import invert
    from mocotool.layouts import from_frames_u8, to_channels_last, to_frames_u8
    from mocotool.networks.dlib_faces import LandmarkFinder
    from mocotool.video.comparison import draw_comparison
    from mocotool.video.pictures import write_png
    from mocotool.video.stills import find_stills

    # uint8 [n, 3, h, w], cut as the generator's training data were
    stills = find_stills(paths, as_video=as_video, frame_idxs=frame_idxs)
    with computing.joined(report) as (processes, precision):
        if outputs.tune is not None and processes.world_size > 1:
            raise ConfigError(
                "--tune fits one generator to all images, which one process does",
                hint="run it without torchrun",
            )
        network = load_generator(generator, device=processes.device, precision=precision)
        guess = encoder.load(network, report, space=config.space)
        stills, parts = take_part(
            stills,
            shard,
            batch_size=config.choose_batch_size(network.resolution),
            made_with=[dataclasses.asdict(config), align, guess.sha256 if guess else None],
        )
        loaded = load_features(chosen, weights, processes.device)
        cuts = stills.describe_cuts(network.img_size, align=align)
        _say_what_is_done(report, network, config, cuts, describe_features(chosen, weights))
        finder = LandmarkFinder() if align == "face" else None
        wanted_u8 = to_channels_last(stills.read(network.img_size, align=align, landmarks=finder))

        # search, and then tune where that is asked for
        began = time.perf_counter()
        wanted = from_frames_u8(wanted_u8)
        with report.progress("steps", len(wanted) * config.num_steps_in_all) as advance:
            found = invert(
                network,
                wanted,
                config=config,
                features=loaded,
                encoder=guess,
                processes=processes,
                progress=advance,
            )
        if not processes.is_first:
            return
        sheet, tune = outputs.sheet, outputs.tune
        written = {} if sheet is None else {"sheet": str(sheet)}
        if tune is not None:
            written |= {"tuned": str(tune), "before_tuning": f"PSNR {found.psnr.mean():.2f} dB"}
            found = tune_to(tune, network, wanted, found, config, features=loaded, report=report)
            network = load_generator(tune, device=processes.device, precision=precision)

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
            _write_sheet(picture, output, values, report)
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

    listed = list_first([(str(image["name"]), _figures(image)) for image in images])
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


def _write_sheet(
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
