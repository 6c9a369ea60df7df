"""Seconds and memory of an iteration of motion training: `MotionTrainer`, and a plain program.

    PYTHONPATH=tests python tests/bench/bench_train_motion.py
    PYTHONPATH=tests python tests/bench/bench_train_motion.py --programs bf16 --batch-sizes 2 4 8
    PYTHONPATH=tests python tests/bench/bench_train_motion.py --programs bf16 --resolution 1024

The plain program (tests/reference/motion_plain.py) does what the authors' does, in float32. Each
row is a process of its own, on random weights: StyleGAN2 config F, discriminators of the authors'
sizes. An iteration is five steps of the motion generator (G) and one of the discriminators (D);
the plain program's G step is measured once and counted five times, ours `--num-g-steps` times.
Peak memory is the whole process's, with torch itself in it, and the optimisers' averages, which are
there before the first step as they are from the second on.
"""

import argparse
import json
import subprocess
import sys
import time

import torch

from mocotool.basis import PCABasis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import peak_memory_mb
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.motion.trainer import MotionTrainer
from mocotool.pca import fit_pca_basis

PRECISIONS = {"plain": torch.float32, "fp32": torch.float32, "bf16": torch.bfloat16}
DOMAINS = ("in", "cross")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", nargs="+", choices=PRECISIONS, default=[*PRECISIONS])
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=[*DOMAINS])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--frame-size", type=int, default=128)
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--chunk-size", type=int, default=TrainMotionConfig().chunk_size)
    parser.add_argument("--graph-mb", type=int, default=TrainMotionConfig().graph_mb)
    parser.add_argument("--num-g-steps", type=int, default=5, help="of ours to measure")
    parser.add_argument("--warm-up", action="store_true", help="G and D once before, uncounted")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_trainer(args, *, program, domain, batch_size):
    """Return a trainer of random weights and a batch of noise for real clips."""
    torch.manual_seed(0)
    channels = default_channels(args.resolution, channel_base=args.channel_base)
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=args.resolution, channels=channels)
    generator = generator.freeze().set_precision(PRECISIONS[program])
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
    return MotionTrainer(generator, basis, config), real


def measure_row(args, *, program, domain, batch_size):
    """Return seconds of an iteration's steps and the process's peak memory."""
    trainer, real = make_trainer(args, program=program, domain=domain, batch_size=batch_size)
    num_g_steps = trainer.config.num_g_steps
    if program == "plain":
        from reference.motion_plain import PlainMotionTrainer

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
    if args.warm_up:
        g_steps[0]()
        d_step()
        for game in trainer.games.values():
            game.begin(real)
    g_times = [timed(step) for step in g_steps]
    d_wall, d_cpu = timed(d_step)
    g_wall, g_cpu = (sum(times) / len(g_times) for times in zip(*g_times, strict=True))
    return {
        "g": g_wall,
        "d": d_wall,
        "iteration": num_g_steps * g_wall + d_wall,
        "cpu": num_g_steps * g_cpu + d_cpu,
        "peak_mb": peak_memory_mb(torch.device("cpu")),
        "graph_kept": trainer.renderer.keep_graph,
    }


def fill_averages(*optimizers):
    """Let optimisers allocate what they keep, by a step that changes nothing."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.zeros_like(param)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def timed(work):
    """Return seconds on the wall and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def run_row(row):
    """Measure one row in a process of its own."""
    command = [sys.executable, *sys.argv, "--row", json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main():
    args = parse_arguments()
    if args.row:
        print(json.dumps(measure_row(args, **json.loads(args.row))))
        return
    print(
        f"{args.resolution} px, frames of {min(args.frame_size, args.resolution)} px for the "
        f"discriminators, {args.num_frames} frames, {torch.get_num_threads()} threads"
    )
    print("domain program batch    G s    D s  iteration s   cpu s  peak MB  graph  against plain")
    for domain in args.domains:
        plain = None
        for program in args.programs:
            for batch_size in [1] if program == "plain" else args.batch_sizes:
                row = {"program": program, "domain": domain, "batch_size": batch_size}
                result = run_row(row)
                plain = result if program == "plain" else plain
                line = (
                    f"{domain:6} {program:7} {batch_size:5} {result['g']:6.2f} {result['d']:6.2f} "
                    f"{result['iteration']:12.1f} {result['cpu']:7.1f} {result['peak_mb']:8.0f}  "
                    f"{'kept ' if result['graph_kept'] else 'again'}"
                )
                if plain is not None:
                    speed = batch_size * plain["iteration"] / result["iteration"]
                    line += (
                        f"  x{speed:.2f} clips, 1/{plain['peak_mb'] / result['peak_mb']:.2f} memory"
                    )
                print(line, flush=True)


if __name__ == "__main__":
    main()
