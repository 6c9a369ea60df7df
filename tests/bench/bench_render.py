"""How many frames a second sampling and rendering give.

    python tests/bench/bench_render.py [--resolution 64] [--channel-base 32768] [--num-frames 64]

Prints frames a second of each stage, from latents in memory to a finished MP4, and how much of the
machine's own convolution speed the generator's multiply-adds reach.
"""

import argparse
import io
import time

import torch

from mocotool.basis import fit_pca_basis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.devices import resolve_device, resolve_precision
from mocotool.export import export_trajectory
from mocotool.frames import render_frames
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import sample_trajectory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--num-frames", type=int, default=64)
    parser.add_argument("--chunk-size", type=int, default=RenderConfig().chunk_size)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    torch.manual_seed(0)
    device = resolve_device(args.device)
    precision = resolve_precision(args.precision, device)
    channels = default_channels(args.resolution, channel_base=args.channel_base)
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=args.resolution, channels=channels)
    generator = generator.to(device).freeze().set_precision(precision)
    basis = fit_pca_basis(generator, config=PCAConfig(num_samples=2000))
    motion = MotionGenerator(
        latent_dim=512,
        noise_dim=512,
        hidden_dim=384,
        components=torch.from_numpy(basis.components),
        stdev=torch.from_numpy(basis.stdev),
    ).to(device)
    config = SampleConfig(num_frames=args.num_frames)
    render_config = RenderConfig(chunk_size=args.chunk_size)

    trajectory = sample_trajectory(motion, generator, config=config)
    sampling = timed(lambda: sample_trajectory(motion, generator, config=config))
    rendering = timed(lambda: [*render_frames(generator, trajectory, config=render_config)])
    encoding = timed(
        lambda: export_trajectory(
            generator, trajectory, io.BytesIO(), format="mp4", config=render_config
        )
    )
    macs = count_macs(generator, trajectory.latents[0, :1])
    peak = measure_peak(device, precision)

    frames = args.num_frames
    print(f"device           {device}, {precision}, {torch.get_num_threads()} threads")
    print(
        f"generator        {args.resolution} px, {channels} channels, {macs / 1e9:.2f} GMAC a frame"
    )
    print(f"sampling         {frames / sampling:.1f} frames/s (one trajectory of {frames})")
    print(f"rendering        {frames / rendering:.2f} frames/s, chunks of {args.chunk_size}")
    print(f"to a finished MP4 {frames / encoding:.2f} frames/s")
    print(f"convolution peak {2 * peak / 1e9:.0f} GFLOP/s")
    print(f"share of peak    {macs * frames / rendering / peak:.0%}")


def count_macs(generator: StyleGAN2, latent) -> int:
    """Count the multiply-adds of convolutions and matrix products in one frame."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator.synthesis(torch.from_numpy(latent).to(generator.device))
    return counter.get_total_flops() // 2


def measure_peak(device: torch.device, precision: torch.dtype) -> float:
    """Return multiply-adds a second of a plain 3x3 convolution of a middling layer."""
    x = torch.randn(16, 512, 32, 32, device=device, dtype=precision)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(512, 512, 3, 3, device=device, dtype=precision)
    weight = weight.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        seconds = timed(lambda: torch.nn.functional.conv2d(x, weight, padding=1))
    return 16 * 32 * 32 * 512 * 512 * 9 / seconds


def timed(work, *, repeats: int = 3) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
