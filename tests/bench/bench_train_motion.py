"""Seconds and memory of an iteration of motion training: `MotionTrainer`, and a plain program.

    PYTHONPATH=tests python tests/bench/bench_train_motion.py --plain kind --precision fp32
    PYTHONPATH=tests python tests/bench/bench_train_motion.py --no-plain --batch-sizes 2 4 8
    PYTHONPATH=tests python tests/bench/bench_train_motion.py --no-plain --resolution 1024

The plain program (tests/reference/motion_plain.py) does what the authors' does. Each row is a
process of its own, on random weights: StyleGAN2 config F, discriminators of the authors' sizes
unless told otherwise. An iteration is five steps of the motion generator (G) and one of the
discriminators (D); the plain program's G step is measured once and counted five times, ours
`--num-g-steps` times. Neither is warmed up, and multiply-adds are counted while steps are timed.
Peak memory is the whole process's, with torch itself in it, and the optimisers' averages, which are
there before the first step as they are from the second on.
"""

import argparse
import json
import subprocess
import sys

import torch
from bench.measuring import (
    add_options,
    choose_precision,
    count_macs,
    describe_share,
    measure_peak,
    timed,
)
from reference.motion_plain import PlainMotionTrainer
from reference.stylegan2_plain import resampling

from mocotool.basis import PCABasis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import DTYPES, peak_memory_mb, resolve_device
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.motion.trainer import MotionTrainer
from mocotool.pca import fit_pca_basis
from mocotool.training.distributed import Processes

DOMAINS = ("in", "cross")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=[*DOMAINS])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--frame-size", type=int, default=128)
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--chunk-size", type=int, default=TrainMotionConfig().chunk_size)
    parser.add_argument("--graph-mb", type=int, default=TrainMotionConfig().graph_mb)
    parser.add_argument("--num-g-steps", type=int, default=5, help="of ours to measure")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_trainer(args, *, precision, domain, batch_size):
    """Return a trainer of random weights and a batch of noise for real clips."""
    torch.manual_seed(0)
    channels = default_channels(args.resolution, channel_base=args.channel_base)
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=args.resolution, channels=channels)
    device = resolve_device(args.device)
    generator = generator.to(device).freeze().set_precision(DTYPES[precision])
    basis: PCABasis = fit_pca_basis(generator, config=PCAConfig(num_samples=2000))
    config = TrainMotionConfig.from_recipe(
        cross_domain=domain == "cross",
        batch_size=batch_size,
        num_frames=args.num_frames,
        chunk_size=args.chunk_size,
        graph_mb=args.graph_mb,
        frame_size=min(args.frame_size, args.resolution),
    )
    size = config.frame_size
    real = torch.rand(batch_size, config.num_frames, 3, size, size) * 2 - 1
    processes = Processes(device=generator.device)
    return MotionTrainer(generator, basis, config, processes=processes), real.to(device)


def measure_row(args, *, program, precision, domain, batch_size):
    """Return seconds of an iteration's steps, its multiply-adds and the process's peak memory."""
    trainer, real = make_trainer(args, precision=precision, domain=domain, batch_size=batch_size)
    num_g_steps = trainer.config.num_g_steps
    if program == "plain":
        plain = PlainMotionTrainer(trainer)
        fill_averages(plain.optimizer, plain.video_optimizer, plain.image_optimizer)
        g_steps = [lambda: plain.generator_step(real, 0)]
        d_step = lambda: plain.discriminator_step(real)  # noqa: E731
    else:
        fill_averages(trainer.optimizer, *(game.optimizer for game in trainer.games.values()))
        for game in trainer.games.values():
            game.begin(real)
        g_steps = [lambda i=i: trainer.generator_step(i) for i in range(args.num_g_steps)]
        d_step = trainer.discriminator_step

    macs = []
    with resampling(args.plain):
        steps = [lambda step=step: macs.append(count_macs(step)) for step in (*g_steps, d_step)]
        *g_times, d = [timed(step, trainer.device, repeats=1) for step in steps]
    g = sum(g_times) / len(g_times)
    return {
        "g": g,
        "d": d,
        "iteration": num_g_steps * g + d,
        "macs": num_g_steps * sum(macs[:-1]) / len(g_times) + macs[-1],
        "peak_mb": peak_memory_mb(trainer.device),
        "graph_kept": trainer.renderer.num_kept
        >= trainer._num_rows() * (trainer.config.num_frames - 1),
    }


def fill_averages(*optimizers):
    """Let optimisers allocate what they keep, by a step that changes nothing."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.zeros_like(param)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def run_row(args, domain, program, precision, batch_size):
    """Measure one row in a process of its own, and print it."""
    row = {
        "program": program,
        "precision": precision,
        "domain": domain,
        "batch_size": batch_size,
    }
    command = [sys.executable, *sys.argv, "--row", json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout)
    name = f"{program} ({args.plain})" if program == "plain" else program
    graph = "" if program == "plain" else "kept" if result["graph_kept"] else "again"
    print(
        f"{domain:6} {name:14} {precision:9} {batch_size:5} {result['g']:7.2f} {result['d']:7.2f} "
        f"{result['iteration']:11.1f} {result['peak_mb']:8.0f}  {graph}",
        flush=True,
    )
    return result


def compare(ours, plain, *, batch_size, what):
    """Print how much faster and smaller ours is."""
    speed = batch_size * plain["iteration"] / ours["iteration"]
    print(f"       x{speed:.2f} clips, 1/{plain['peak_mb'] / ours['peak_mb']:.2f} memory, {what}")


def main():
    args = parse_arguments()
    if args.row:
        print(json.dumps(measure_row(args, **json.loads(args.row))))
        return
    device = resolve_device(args.device)
    precision = choose_precision(args.precision, device)
    peak = measure_peak(device, DTYPES[precision])
    print(
        f"{args.resolution} px, frames of {min(args.frame_size, args.resolution)} px for the "
        f"discriminators, {args.num_frames} frames, {torch.get_num_threads()} threads, {device}; "
        "seconds"
    )
    print("domain program        precision batch     G s     D s iteration s  peak MB  graph")
    measured = {}
    for domain in args.domains:
        plain = None if args.no_plain else run_row(args, domain, "plain", precision, 1)
        for batch_size in args.batch_sizes:
            ours = run_row(args, domain, "ours", precision, batch_size)
            measured[domain, batch_size] = ours
            print(f"       {describe_share(ours['macs'] / ours['iteration'], peak)}")
            if plain is not None:
                compare(ours, plain, batch_size=batch_size, what="at equal precision")
    if args.no_plain or precision == "fp32":
        return
    print("the rest")
    for domain in args.domains:
        plain = run_row(args, domain, "plain", "fp32", 1)
        for batch_size in args.batch_sizes:
            what = f"ours in {precision} against the plain program in fp32, batch {batch_size}"
            compare(measured[domain, batch_size], plain, batch_size=batch_size, what=what)


if __name__ == "__main__":
    main()
