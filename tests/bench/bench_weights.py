"""Opening large files: seconds, and memory beyond what torch itself takes.

    python tests/bench/bench_weights.py [FOLDER]

Makes three files of about 300 MB in FOLDER (a temporary one if left out): a stylegan2-ada-pytorch
pickle of a 1024-pixel StyleGAN2 with its G, D and G_ema, the native file of such a generator, and a
torch zip. Each is opened in a process of its own, whole-file hash included.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

PICKLE, NATIVE, ZIP = "network.pkl", "native.safetensors", "checkpoint.pt"


def make_files(folder):
    """Write the three files."""
    import torch
    from reference.nvidia_pickles import stylegan2_pickle

    from mocotool.generators.loading import save_generator
    from mocotool.generators.stylegan2 import StyleGAN2, default_channels

    def generator(resolution=1024):
        torch.manual_seed(0)
        channels = default_channels(resolution)
        return StyleGAN2(z_dim=512, w_dim=512, img_resolution=resolution, channels=channels)

    # G and D are as large as G_ema; what is in them does not matter, as they are not used.
    ballast = {"G": torch.randn(30_000_000), "D": torch.randn(20_000_000)}
    (folder / PICKLE).write_bytes(stylegan2_pickle(generator().freeze(), extra=ballast))
    wide = StyleGAN2(
        z_dim=512, w_dim=512, img_resolution=256,
        channels=[1024, 1024, 1024, 1024, 512, 256, 128], num_mapping_layers=12,
    )  # fmt: skip
    save_generator(wide.freeze(), folder / NATIVE)
    torch.save(rosinality_state(), folder / ZIP)


def rosinality_state():
    """A rosinality training checkpoint at 256 pixels: g, g_ema and optimiser state."""
    import torch

    widths = [512, 512, 512, 512, 512, 256, 128]
    tensors = {"input.input": torch.randn(1, 512, 4, 4)}
    for i in range(1, 9):
        tensors |= {f"style.{i}.weight": torch.randn(512, 512), f"style.{i}.bias": torch.zeros(512)}

    def layer(name, before, after, kernel):
        tensors[f"{name}.conv.weight"] = torch.randn(1, after, before, kernel, kernel)
        tensors[f"{name}.conv.modulation.weight"] = torch.randn(before, 512)
        tensors[f"{name}.conv.modulation.bias"] = torch.ones(before)
        if kernel == 1:
            tensors[f"{name}.bias"] = torch.zeros(1, after, 1, 1)
        else:
            tensors[f"{name}.noise.weight"] = torch.zeros(1)
            tensors[f"{name}.activate.bias"] = torch.zeros(after)

    layer("conv1", 512, 512, 3)
    layer("to_rgb1", 512, 3, 1)
    for i, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
        layer(f"convs.{2 * i}", before, after, 3)
        layer(f"convs.{2 * i + 1}", after, after, 3)
        layer(f"to_rgbs.{i}", after, 3, 1)
    copies = {name: value.clone() for name, value in tensors.items()}
    moments = {i: {"exp_avg": value.clone()} for i, value in enumerate(tensors.values())}
    mean = torch.zeros(512)
    return {"g_ema": tensors, "g": copies, "g_optim": {"state": moments}, "latent_avg": mean}


def open_one(path):
    """Open a file and print seconds, megabytes and their ratio to the file's size."""
    from mocotool.generators.loading import load_generator

    def peak():
        # Not getrusage, whose figure a process inherits from the one that started it.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    before, start = peak(), time.perf_counter()
    load_generator(path)
    seconds, used, size = time.perf_counter() - start, peak() - before, path.stat().st_size
    print(
        f"{path.name}: {size / 1e6:.0f} MB opened in {seconds:.2f} s, {used / 1e6:.0f} MB more "
        f"memory at most ({used / size:.2f} times the file)"
    )


def main():
    """Make the files and open each in a process of its own."""
    if len(sys.argv) == 3 and sys.argv[1] == "--open":
        open_one(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) == 2 else temporary)
        if not (folder / ZIP).exists():
            make_files(folder)
        for name in (PICKLE, NATIVE, ZIP):
            subprocess.run([sys.executable, __file__, "--open", str(folder / name)], check=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
