"""How many frames per second sampling and rendering give, beside a plain program.

    PYTHONPATH=tests python tests/bench/bench_render.py --plain kind --precision fp32

Prints first what both programs render at equal precision and how much of the machine's own
convolution speed ours reaches, then the rest: ours against a plain program in float32, up to a
finished MP4, and sampling. The plain program renders 16 frames at once with grouped convolutions
and zero-stuffed resampling, and samples one video after the other (tests/reference).
"""

import argparse
import io

import torch
from bench.measuring import (
    add_options,
    choose_precision,
    count_macs,
    describe_share,
    measure_peak,
    timed,
)
from reference.motion_plain import walk
from reference.stylegan2_plain import map_latents, resampling, synthesize

from mocotool.configs.pca import PCAConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.devices import DTYPES, resolve_device
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
    measure_rendering(generator, trajectory, args)
    if not args.no_sampling:
        measure_sampling(motion, generator, num_videos=args.num_videos)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--num-frames", type=int, default=32)
    parser.add_argument("--num-videos", type=int, default=64, help="sampled, of 16 frames each")
    parser.add_argument("--no-sampling", action="store_true", help="render only")
    parser.add_argument("--chunk-size", type=int, default=RenderConfig().chunk_size)
    parser.add_argument("--repeats", type=int, default=3, help="the best of which counts")
    return parser.parse_args()


def measure_rendering(generator: StyleGAN2, trajectory: Trajectory, args) -> None:
    device, config = generator.device, RenderConfig(chunk_size=args.chunk_size)
    precision = choose_precision(args.precision, device)
    dtype = DTYPES[precision]
    latent = torch.from_numpy(trajectory.latents[0, :1]).to(device)
    with torch.no_grad():
        macs = count_macs(lambda: generator.synthesis(latent))
    print(f"device      {device}, {torch.get_num_threads()} threads")
    channels = generator.arch["channels"]
    print(f"generator   {args.resolution} px, {channels} channels, {macs / 1e9:.2f} GMAC a frame")

    # Both programs in one precision
    def rate_plain(plain_dtype: torch.dtype) -> float:
        with resampling(args.plain):
            work = lambda: render_plainly(generator, trajectory, plain_dtype)  # noqa: E731
            return args.num_frames / timed(work, device, repeats=args.repeats)

    generator.set_precision(dtype)
    plain = None if args.no_plain else rate_plain(dtype)
    work = lambda: [*render_frames(generator, trajectory, config=config)]  # noqa: E731
    ours = args.num_frames / timed(work, device, repeats=args.repeats)
    print("at equal precision")
    if plain is not None:
        print(f"rendering   {plain:8.2f} frames/s  plain ({args.plain}), {precision}")
    ratio = "" if plain is None else f", x{ours / plain:.2f}"
    print(f"            {ours:8.2f} frames/s  ours, {precision}{ratio}")
    print(f"            {describe_share(ours * macs, measure_peak(device, dtype))}")

    # And what else there is
    print("the rest")
    if plain is not None and precision != "fp32":
        full = rate_plain(torch.float32)
        print(
            f"rendering   {full:8.2f} frames/s  plain ({args.plain}), fp32; ours x{ours / full:.2f}"
        )
    work = lambda: export_trajectory(  # noqa: E731
        generator, trajectory, io.BytesIO(), format="mp4", config=config
    )
    rate = args.num_frames / timed(work, device, repeats=1)
    print(f"            {rate:8.2f} frames/s  ours, {precision}, into a finished MP4")


def measure_sampling(motion: MotionGenerator, generator: StyleGAN2, *, num_videos: int) -> None:
    config = SampleConfig(num_videos=num_videos, num_frames=16)
    device = generator.device
    plain = timed(
        lambda: sample_plainly(motion, generator, num_videos=num_videos, num_frames=16), device
    )
    ours = timed(lambda: sample_trajectory(motion, generator, config=config), device)
    frames = 16 * num_videos
    print(f"sampling    {frames / plain:8.0f} frames/s  plain, one video after the other")
    print(f"            {frames / ours:8.0f} frames/s  ours, x{plain / ours:.1f}")


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
def render_plainly(generator: StyleGAN2, trajectory: Trajectory, dtype: torch.dtype) -> None:
    for latents in torch.from_numpy(trajectory.latents[0]).to(generator.device).split(16):
        ws = latents[:, None].repeat(1, generator.num_ws, 1)
        maps = [
            layer.noise_const.expand(len(ws), 1, -1, -1) for layer in generator.synthesis.layers()
        ]
        img = synthesize(generator.synthesis, ws, maps, dtype=dtype)
        img.clamp(-1, 1).add(1).mul(127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu()


if __name__ == "__main__":
    main()
