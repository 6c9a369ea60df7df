"""Which device a command runs on and in which precision."""

import contextlib
import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from mocotool.errors import ConfigError, UnavailableError

STAGED_BYTES = 2**16  # the CUDA driver takes so much over at once
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def resolve_device(name: str) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:N" or "mps" into a device that is there.

    Raises:
        ConfigError: The name is none of these.
        UnavailableError: This machine or this build of torch has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"--device {name}: expected auto, cpu, cuda, cuda:N or mps")
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


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor of the host to a device, without waiting for what the device still does.

    A copy from memory that may be paged out waits for the device unless it is small, so what is
    large is pinned first.
    """
    if device.type in ("cpu", "mps") or tensor.device.type != "cpu":  # MPS reads while we go on
        return tensor.to(device)
    if tensor.nbytes > STAGED_BYTES:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether bf16 arithmetic has hardware of its own on `device`."""
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

    "auto" is bf16 where the hardware has it, else fp32. "tf32" is float32 whose products a GPU may
    round to 10 bits; torch does so in convolutions unless told otherwise, and from this call on it
    is told, for the whole process.

    Raises:
        ConfigError: The name is none of these, or fp16 or tf32 was asked for on the CPU.

    Source:
        Official code: float32 throughout.
        Deviation: "auto" takes bf16 where it is quick; docs/precision.md has what that changes.
    """
    if name == "tf32" and device.type != "cuda":
        raise ConfigError("--precision tf32: a CUDA device alone has it", hint="--precision fp32")
    _allow_tf32(name == "tf32")
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    if name == "fp16" and device.type == "cpu":
        raise ConfigError(
            "--precision fp16: not supported on the CPU", hint="use --precision bf16 or fp32"
        )
    try:
        return DTYPES[name]
    except KeyError:
        raise ConfigError(f"--precision {name}: expected auto, fp32, tf32, bf16 or fp16") from None


def _allow_tf32(is_allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = is_allowed
    torch.set_float32_matmul_precision("high" if is_allowed else "highest")


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32 proper inside the block: no TF32, whatever the program around allows."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def resolve_training_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn a precision's name into the dtype to train in; see `resolve_precision`.

    Raises:
        ConfigError: The name is unknown, or fp16, which training does not know.
    """
    if name == "fp16":
        check_training_precision(torch.float16)
    return resolve_precision(name, device)


def check_training_precision(dtype: torch.dtype) -> None:
    """Check that gradients survive a dtype.

    Raises:
        ConfigError: It is float16, in which small gradients vanish unless losses are scaled.
    """
    if dtype is torch.float16:
        raise ConfigError(
            "--precision fp16: training would lose small gradients",
            hint="use --precision bf16 or fp32",
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
