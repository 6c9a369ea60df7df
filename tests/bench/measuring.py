"""What the benches share: options, clocks, and what the machine's convolutions reach.

On a CPU seconds are those of the processor, so that other programs disturb little; a GPU is timed
by the wall clock.
"""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from mocotool.devices import DTYPES, resolve_precision

PLAIN = {
    "kind": "one grouped convolution for the resampling, as a program written for a CPU would",
    "native": "each channel resampled as a picture of its own, as in the authors' fallback",
}


def add_options(parser):
    """Add the options that say what is compared with what."""
    choices = "; ".join(f"{name}: {text}" for name, text in PLAIN.items())
    parser.add_argument(
        "--plain", choices=PLAIN, default="kind", help=f"the plain program's resampling ({choices})"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "auto"),
        default="auto",
        help="what both programs compute in; where it is not fp32, the plain one in fp32 as well",
    )
    parser.add_argument("--no-plain", action="store_true", help="ours alone")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def choose_precision(name, device):
    """Return what `--precision` means on a device, "fp32" or "bf16"."""
    return name_precision(resolve_precision(name, device))


def name_precision(dtype):
    """Return a precision's name, as `--precision` takes it."""
    return next(name for name, known in DTYPES.items() if known is dtype)


def now(device):
    """Return seconds of the processor, or of the wall where a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def timed(work, device, *, repeats=3):
    """Return the least seconds of a few repeats."""
    best = float("inf")
    for _ in range(repeats):
        start = now(device)
        work()
        best = min(best, now(device) - start)
    return best


class _Counter(TorchDispatchMode):
    """Counts operations, also those of gradients of gradients, where `FlopCounterMode` fails."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def count_macs(work):
    """Return the multiply-adds of convolutions and matrix products in what `work` does."""
    with _Counter() as counter:
        work()
    return counter.total // 2


def measure_peak(device, precision):
    """Return multiply-adds per second of a plain 3x3 convolution of a middling layer."""
    x = torch.randn(16, 512, 32, 32, device=device, dtype=precision)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(512, 512, 3, 3, device=device, dtype=precision)
    weight = weight.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        seconds = timed(lambda: torch.nn.functional.conv2d(x, weight, padding=1), device)
    return 16 * 32 * 32 * 512 * 512 * 9 / seconds


def describe_share(rate, peak):
    """Say what share of the convolution peak multiply-adds per second are."""
    return f"{rate / peak:.0%} of the convolution peak ({2 * peak / 1e9:.0f} GFLOP/s)"
