"""Which device a command runs on and in which precision."""

import contextlib
import functools
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mocotool.errors import ConfigError, MocoWarning, UnavailableError
from mocotool.memory import free_memory_bytes

DRIVER_FILE = Path("/proc/driver/nvidia/version")
DRIVER_VERSION = re.compile(r"Kernel Module.*?\s(\d+(?:\.\d+)+)")
DEVICE_FILES = Path("/dev")
STAGED_BYTES = 2**16  # the CUDA driver takes so much over at once
# The CPU's allocator has a plain RuntimeError for it; CUDA's has a class, and words of its own.
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

_is_chosen = False


def resolve_device(name: str) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:N" or "mps" into a device that is there.

    Raises:
        ConfigError: The name is none of these.
        UnavailableError: This machine or this build of torch has no such device.

    Warns:
        MocoWarning: "auto" is the CPU although there is an NVIDIA GPU, which torch cannot use.
    """
    if name == "auto":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a driver; said better below
            has_cuda = torch.cuda.is_available()
        if has_cuda and is_under_torchrun():  # each process will take its own
            return torch.device("cuda")
        if has_cuda:
            return torch.device("cuda", torch.cuda.current_device())
        if torch.backends.mps.is_available():
            return torch.device("mps")
        _warn_of_unusable_gpu()
        return torch.device("cpu")

    # A name that torch does not know, or knows and nothing here computes on
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"--device {name}: expected auto, cpu, cuda, cuda:N or mps")

    # A name of something that is not there
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(
            f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices",
            hint="use --device auto, or install a CUDA build of torch",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError(
            f"--device {name}: not available on this machine", hint="use --device auto"
        )
    return device


def is_under_torchrun() -> bool:
    """Return whether several processes were started together."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@functools.cache
def _warn_of_unusable_gpu() -> None:
    """Say once why a GPU that is there is left out."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if is_hidden or not (DEVICE_FILES / "nvidia0").exists():
        return
    driver = read_driver_version() or "of an unknown version"
    if torch.version.cuda is None:
        why = f"torch {torch.__version__} is built without CUDA"
    else:
        made_for = f"torch {torch.__version__} for CUDA {torch.version.cuda}"
        why = f"{made_for} cannot use its driver, {driver}"
    warnings.warn(f"there is an NVIDIA GPU, but {why}; the CPU computes", MocoWarning, stacklevel=3)


def read_driver_version() -> str | None:
    """Return the version of NVIDIA's driver, or `None` where the system does not tell."""
    with contextlib.suppress(OSError):
        found = DRIVER_VERSION.search(DRIVER_FILE.read_text(encoding="ascii", errors="ignore"))
        return found.group(1) if found else None
    return None


def describe_device(device: torch.device, precision: torch.dtype = torch.float32) -> str:
    """Say in a few words where and in what a command computes: "cuda:0 (NVIDIA H100) in bf16"."""
    names = {dtype: name for name, dtype in DTYPES.items() if name != "tf32"}
    name = names[precision]
    if device.type != "cuda":
        return f"{'the CPU' if device.type == 'cpu' else device} in {name}"
    if precision is torch.float32 and torch.backends.cudnn.allow_tf32:
        name = "tf32"
    return f"{device} ({torch.cuda.get_device_name(device)}) in {name}"


def describe_gpu(device: torch.device) -> dict[str, str]:
    """Return what results depend on besides torch: GPU, driver, CUDA, cuDNN; empty on a CPU."""
    if device.type != "cuda":
        return {}
    facts = {
        "gpu": torch.cuda.get_device_name(device),
        "driver": read_driver_version(),
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def find_idle_gpus(device: torch.device) -> str | None:
    """Say how further GPUs would be used, where there are some and one process was started."""
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if count == 1 or is_under_torchrun():
        return None
    return (
        f"one of {count} GPUs is used; `torchrun --nproc-per-node {count} -m mocotool ...` uses all"
    )


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the host to a device, without waiting for work queued there.

    A copy from pageable memory waits for the device unless it is small, so large tensors are pinned
    first.
    """
    if device.type in ("cpu", "mps") or tensor.device.type != "cpu":  # MPS reads while we go on
        return tensor.to(device)
    if tensor.nbytes > STAGED_BYTES:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bf16 arithmetic has hardware of its own on `device`."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(
            torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        ) and ("avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags())
    return False


def _cpu_flags() -> frozenset[str]:
    """Return the processor's feature names where the system lists them, else none."""
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="ascii", errors="ignore") as file,
    ):
        for line in file:
            if line.startswith("flags"):
                return frozenset(line.split())
    return frozenset()


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn "auto", "fp32", "tf32", "bf16" or "fp16" into the dtype heavy layers compute in.

    "auto" is bf16 where the hardware has it, else fp32, which also a GPU without bf16 computes in
    when bf16 is asked for. "tf32" is float32 whose products a GPU may
    round to 10 bits; torch does so in convolutions unless told otherwise, and from this call on it
    is told, for the whole process.

    Raises:
        ConfigError: The name is none of these, or fp16 or tf32 was asked for on the CPU.

    Warns:
        MocoWarning: bf16 was asked for, and the GPU has none.

    Source:
        Official code: float32 throughout.
        Deviation: "auto" takes bf16 where it is quick; docs/precision.md has what that changes.
    """
    if name == "tf32" and device.type != "cuda":
        raise ConfigError(
            "--precision tf32: only CUDA devices support it", hint="use --precision fp32"
        )
    global _is_chosen  # noqa: PLW0603 - torch's own switches are global as well
    _is_chosen = True
    _allow_tf32(name == "tf32")
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32

    # half precision that the device cannot compute in, or only slowly
    if name == "bf16" and device.type == "cuda" and not has_fast_bf16(device):
        model = torch.cuda.get_device_name(device)
        warnings.warn(
            f"--precision bf16: {model} has no bf16, so fp32 is taken; fp16 is quicker on it",
            MocoWarning,
            stacklevel=2,
        )
        return torch.float32
    if name == "fp16" and device.type == "cpu":
        raise ConfigError(
            "--precision fp16: not supported on the CPU", hint="use --precision bf16 or fp32"
        )
    try:
        return DTYPES[name]
    except KeyError:
        raise ConfigError(f"--precision {name}: expected auto, fp32, tf32, bf16 or fp16") from None


def choose_full_precision() -> None:
    """Compute in float32 proper unless `resolve_precision` has chosen otherwise.

    Torch's own default lets a GPU round the products of convolutions to 10 bits.
    """
    if not _is_chosen:
        _allow_tf32(False)


def _allow_tf32(is_allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = is_allowed
    torch.set_float32_matmul_precision("high" if is_allowed else "highest")


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32 proper inside the block: no TF32, whatever the program around allows."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(
            enabled=True,
            benchmark=False,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=False,
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Compute the block on one thread where it is the CPU that computes.

    For long rows of small steps: threads meet after each of them, and where another program has one
    of the cores, every meeting waits for it.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def measured_convolutions(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """Let cuDNN try its algorithms on each new shape in the block, and go on with the quickest.

    For training, whose shapes are the same at each step. What is quickest by a hair is not the same
    algorithm each time, and algorithms round differently; so nothing is tried in float32 proper,
    which is for numbers that can be compared, nor where the user asks for determinism.

    Args:
        device: Where the block computes; all but CUDA have nothing to choose.
        precision: What its convolutions compute in.
    """
    is_full = precision is torch.float32 and not torch.backends.cudnn.allow_tf32
    is_exact = torch.backends.cudnn.deterministic or torch.are_deterministic_algorithms_enabled()
    before = torch.backends.cudnn.benchmark
    if device.type == "cuda" and not is_full and not is_exact:
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def free_device_bytes(device: torch.device) -> int:
    """Return how much memory a device has left: that of the GPU, else that of the machine.

    What torch holds in reserve counts as free.
    """
    if device.type != "cuda":
        return free_memory_bytes()
    reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + reserve


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, the GPU's or the machine's."""
    return isinstance(error, MemoryError | RuntimeError) and (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or OUT_OF_MEMORY.search(str(error)) is not None
    )


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory used so far: the device's, or the whole process's on the CPU.

    NaN where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, kilobytes here
