"""How many frames per second sampling and rendering give, beside a plain program.

    PYTHONPATH=tests python tests/bench/bench_render.py [--resolution 128] [--num-frames 32]

Prints frames per second of each stage, from latents in memory to a finished MP4, and how much of
the machine's own convolution speed the generator's multiply-adds reach. Ours renders in what
`--precision auto` gives, and in float32. The plain program samples one video after the other and
renders 16 frames at once with grouped convolutions, in float32 (tests/reference).
"""

import argparse
import io
import time

import torch
from reference.motion_plain import walk
from reference.stylegan2_plain import map_latents, synthesize

from mocotool.configs.pca import PCAConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.devices import resolve_device, resolve_precision
from mocotool.export import export_trajectory
from mocotool.frames import render_frames
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.latents import Trajectory
from mocotool.motion.generator import MotionGenerator
from mocotool.pca import fit_pca_basis
from mocotool.trajectory import sample_trajectory


def main() -> None:
    args = parse_arguments()
    torch.manual_seed(0)
    device = resolve_device(args.device)
    auto = resolve_precision("auto", device)
    channels = default_channels(args.resolution, channel_base=args.channel_base)
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=args.resolution, channels=channels)
    generator = generator.to(device).freeze()
    basis = fit_pca_basis(generator, config=PCAConfig(num_samples=2000))
    motion = MotionGenerator(
        latent_dim=512,
        noise_dim=512,
        hidden_dim=384,
        components=torch.from_numpy(basis.components),
        stdev=torch.from_numpy(basis.stdev),
    ).to(device)
    trajectory = sample_trajectory(
        motion, generator, config=SampleConfig(num_frames=args.num_frames)
    )
    macs = count_macs(generator, trajectory.latents[0, :1])
    print(f"device      {device}, {torch.get_num_threads()} threads")
    print(f"generator   {args.resolution} px, {channels} channels, {macs / 1e9:.2f} GMAC a frame")
    measure_sampling(motion, generator, num_videos=args.num_videos)
    plain = None
    if not args.no_plain:
        seconds = timed(lambda: render_plainly(generator, trajectory), repeats=1)
        plain = args.num_frames / seconds
        print(f"rendering   {plain:7.2f} frames/s  plain, float32")
    for precision in dict.fromkeys([torch.float32, auto]):
        generator.set_precision(precision)
        measure_rendering(generator, trajectory, args, macs=macs, plain=plain)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--num-frames", type=int, default=32)
    parser.add_argument("--num-videos", type=int, default=64, help="sampled, of 16 frames each")
    parser.add_argument("--chunk-size", type=int, default=RenderConfig().chunk_size)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-plain", action="store_true")
    return parser.parse_args()


def measure_sampling(motion: MotionGenerator, generator: StyleGAN2, *, num_videos: int) -> None:
    config = SampleConfig(num_videos=num_videos, num_frames=16)
    plain = timed(lambda: sample_plainly(motion, generator, num_videos=num_videos, num_frames=16))
    ours = timed(lambda: sample_trajectory(motion, generator, config=config))
    frames = 16 * num_videos
    print(f"sampling    {frames / plain:7.0f} frames/s  plain, one video after the other")
    print(f"            {frames / ours:7.0f} frames/s  ours, x{plain / ours:.1f}")


def measure_rendering(
    generator: StyleGAN2,
    trajectory: Trajectory,
    args: argparse.Namespace,
    *,
    macs: int,
    plain: float | None,
) -> None:
    config = RenderConfig(chunk_size=args.chunk_size)
    precision = generator.synthesis.compute_dtype
    rendering = timed(lambda: [*render_frames(generator, trajectory, config=config)])
    peak = measure_peak(generator.device, precision)
    encoding = timed(
        lambda: export_trajectory(generator, trajectory, io.BytesIO(), format="mp4", config=config),
        repeats=1,
    )
    rate = args.num_frames / rendering
    ratio = "" if plain is None else f", x{rate / plain:.2f}"
    name = str(precision).removeprefix("torch.")
    print(f"rendering   {rate:7.2f} frames/s  ours, {name}{ratio}")
    print(f"            {args.num_frames / encoding:7.2f} frames/s  into a finished MP4")
    share = macs * rate / peak
    print(f"            {share:7.0%} of the convolution peak, {2 * peak / 1e9:.0f} GFLOP/s")


@torch.no_grad()
def sample_plainly(
    motion: MotionGenerator, generator: StyleGAN2, *, num_videos: int, num_frames: int
) -> list[torch.Tensor]:
    trajectories = []
    for _ in range(num_videos):
        latent = map_latents(generator.mapping, torch.randn(1, 512, device=motion.device))
        noise = torch.randn(1, num_frames - 1, 512, device=motion.device)
        trajectories.append(walk(motion, latent, noise)[0])
    return trajectories


@torch.no_grad()
def render_plainly(generator: StyleGAN2, trajectory: Trajectory) -> None:
    for latents in torch.from_numpy(trajectory.latents[0]).to(generator.device).split(16):
        ws = latents[:, None].repeat(1, generator.num_ws, 1)
        maps = [
            layer.noise_const.expand(len(ws), 1, -1, -1) for layer in generator.synthesis.layers()
        ]
        img = synthesize(generator.synthesis, ws, maps)
        img.clamp(-1, 1).add(1).mul(127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu()


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
