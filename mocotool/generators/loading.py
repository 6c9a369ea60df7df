"""Loading of frozen generators from files of weights, and saving to our native file."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from mocotool.configs.generator import GeneratorOptions
from mocotool.devices import choose_full_precision, resolve_device
from mocotool.errors import FileFormatError, MismatchError, MocoWarning
from mocotool.files import atomic_path, is_plain_file, sha256_file
from mocotool.generators.base import Generator, GeneratorOrigin
from mocotool.generators.biggan import BigGAN
from mocotool.generators.dcgan import DCGAN
from mocotool.generators.finding import find_recorded, resolve_path
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.generators.stylegan3 import StyleGAN3
from mocotool.generators.tuned import GeneratorTuning, read_tuning
from mocotool.networks.shapes_only import shapes_only
from mocotool.provenance import FileRecord, portable_path, tool_version
from mocotool.weights.architectures import check_arch
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.finite import check_finite
from mocotool.weights.native import make_record
from mocotool.weights.reading import read_generator_weights
from mocotool.weights.safetensors_file import write_safetensors

MAX_LISTED = 6
MAX_UNKNOWN = 1
"""Further tensors that a file may have; with more of them it is another network."""
MEAN_SAMPLES = 10_000
MEAN_BATCH = 1_000
MEAN_SEED = 0

FAMILIES: dict[str, Callable[..., Generator]] = {
    "stylegan2": StyleGAN2,
    "stylegan3": StyleGAN3,
    "biggan": BigGAN,
    "dcgan": DCGAN,
}


def load_generator(
    path: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    precision: torch.dtype = torch.float32,
    options: GeneratorOptions | None = None,
) -> Generator:
    """Load a frozen image generator from any supported file, without running anything in it.

    Args:
        path: The file, or the folder of a BigGAN-PyTorch run; "https://host/file" or
            "hf://owner/repo/file" is what `fetch` has put into the cache; `None` or
            "bundled:people.safetensors" is the one inside the package. Of a tuned one, the file
            that it came from is looked for as well.
        device: Where to put it: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What its convolutions compute in; the weights stay float32. float32 means all
            of its bits, on a GPU too, unless `resolve_precision("tf32", device)` came before.
        options: What a BigGAN-PyTorch file does not say of itself; `None` for its usual settings.

    Returns:
        The generator, in eval mode and without gradients, with its `origin` set.

    Raises:
        FileFormatError: The file is damaged, unsafe, or not a supported generator.
        UnavailableError: The device is not there, or the address has not been fetched.

    Warns:
        MocoWarning: The file has a tensor that the network does not use.
    """
    target = resolve_device(device) if isinstance(device, str) else device
    choose_full_precision()
    file, recorded_path = resolve_path(path)
    if is_plain_file(file) and (tuning := read_tuning(file)) is not None:
        return _load_tuned(file, tuning, device=target, precision=precision)
    weights, sha256 = read_generator_weights(file, options)
    try:
        generator, unknown = build_generator(weights)
    except FileFormatError as error:
        raise FileFormatError(f"{file}: {error}", hint=error.hint) from None

    record = FileRecord(path=recorded_path, sha256=sha256, kind=generator.kind)
    notes = {"format": weights.file_format} | weights.notes
    if unknown:
        text = f"the tensor {_listed(unknown)} is unknown and left out; everything needed is there"
        warnings.warn(f"{file}: {text}", MocoWarning, stacklevel=2)
        notes["left_out"] = _listed(unknown)
    if weights.lacks_latent_mean:
        fill_latent_mean(generator)
        notes["latent_mean"] = f"not in the file; the mean of {MEAN_SAMPLES} samples"
    generator.origin = GeneratorOrigin(file=record, notes=notes)
    return generator.to(target).freeze().set_precision(precision)


def _load_tuned(
    file: Path, tuning: GeneratorTuning, *, device: torch.device, precision: torch.dtype
) -> Generator:
    """Load the generator that was tuned, and apply the changes."""
    base = find_recorded(tuning.base, name=str(file), beside=[file.parent, Path()])
    generator = load_generator(base, device=device, precision=precision)
    try:
        tuning.apply(generator)
    except (FileFormatError, MismatchError) as error:
        raise type(error)(f"{file}: {error}") from None
    assert generator.origin is not None
    record = FileRecord(path=portable_path(file), sha256=sha256_file(file), kind=generator.kind)
    generator.origin = GeneratorOrigin(
        file=record, notes=generator.origin.notes, tuned_from=generator.origin.file
    )
    return generator


def build_generator(weights: GeneratorWeights) -> tuple[Generator, list[str]]:
    """Build the network of some weights; the tensors are taken over, not copied.

    Returns:
        The network, and the names of tensors that it does not use: one at most.

    Raises:
        FileFormatError: The weights do not fit the architecture they claim.
    """
    family = FAMILIES.get(weights.kind)
    if family is None:
        raise FileFormatError(f"a generator of an unknown kind, {weights.kind!r:.40}")
    arch = check_arch(weights.kind, weights.arch)
    with shapes_only():  # a false size costs nothing
        generator = family(**arch)
    expected = generator.state_dict()
    tensors = dict(weights.tensors)
    if weights.lacks_latent_mean:
        tensors["mapping.w_avg"] = torch.zeros(generator.latent_dim)
    unknown = find_unknown(expected=expected, found=tensors)
    for name in unknown:
        del tensors[name]
    check_tensors(expected=expected, found=tensors)
    check_finite(tensors)
    generator.load_state_dict(tensors, strict=True, assign=True)
    return generator, unknown


def find_unknown(*, expected: dict[str, Any], found: dict[str, Tensor]) -> list[str]:
    """Return the tensors that a network can do without, if it has all of its own.

    More than one, or one where another is missing, is for `check_tensors` to refuse.
    """
    unknown = sorted(found.keys() - expected.keys())
    is_whole = found.keys() >= expected.keys()
    return unknown if is_whole and len(unknown) <= MAX_UNKNOWN else []


@torch.no_grad()
def fill_latent_mean(generator: Generator) -> None:
    """Set the truncation centre to the mean over seeded samples, for files that lack it."""
    rng = torch.Generator().manual_seed(MEAN_SEED)
    total = torch.zeros(generator.latent_dim, dtype=torch.float64)
    for _ in range(MEAN_SAMPLES // MEAN_BATCH):
        z = torch.randn(MEAN_BATCH, generator.z_dim, generator=rng)
        total += generator.mapping(z).double().sum(dim=0)
    assert generator.latent_mean is not None
    generator.latent_mean.copy_(total / MEAN_SAMPLES)


def check_tensors(*, expected: dict[str, Any], found: dict[str, Tensor]) -> None:
    """Check that exactly the expected tensors are there, each of its shape.

    Raises:
        FileFormatError: Tensors are missing, unexpected, or of another shape; all are listed.
    """
    problems = []
    if missing := sorted(expected.keys() - found.keys()):
        problems.append(f"missing {_listed(missing)}")
    if unexpected := sorted(found.keys() - expected.keys()):
        problems.append(f"unexpected {_listed(unexpected)}")
    wrong = [
        f"{name} {list(found[name].shape)} instead of {list(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if found[name].shape != expected[name].shape
        or found[name].is_floating_point() != expected[name].is_floating_point()
    ]
    if wrong:
        problems.append(f"wrong shape or type: {_listed(wrong)}")
    if problems:
        raise FileFormatError(f"the tensors do not fit the network: {'; '.join(problems)}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1][:120] for name in names[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"


def save_generator(
    generator: Generator,
    path: str | Path,
    *,
    notes: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a generator to a native file, whole or not at all; see `write_generator`."""
    target = Path(path)
    with atomic_path(target) as part, part.open("wb") as file:
        write_generator(generator, file, notes=notes, dtype=dtype)


def write_generator(
    generator: Generator,
    file: BinaryIO,
    *,
    notes: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a generator as native safetensors; the same generator gives the same bytes.

    Args:
        generator: The generator.
        file: Where to; it need not seek.
        notes: Further records of its making, besides those of `generator.origin`.
        dtype: What to store weights of two axes and more in; float16 or bfloat16 halve the file
            and lose precision, float32 is exact.
    """
    origin = generator.origin
    recorded = dict(origin.notes) if origin else {}
    if origin and "source_sha256" not in recorded:
        recorded["source_file"] = Path(origin.file.path).name
        recorded["source_sha256"] = origin.file.sha256
    weights = GeneratorWeights(
        kind=generator.kind,
        arch=generator.arch,
        tensors=generator.state_dict(),
        file_format="mocotool safetensors",
        notes=recorded | (notes or {}),
    )
    tensors = {
        name: tensor.to(dtype) if tensor.is_floating_point() and tensor.ndim >= 2 else tensor
        for name, tensor in weights.tensors.items()
    }
    write_safetensors(tensors, file, record=make_record(weights, tool=tool_version()))
