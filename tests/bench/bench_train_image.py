"""Images per second in training: `ImageTrainer`, and a plain loop on the same networks.

    PYTHONPATH=tests python tests/bench/bench_train_image.py

The plain loop (tests/reference/stylegan2_plain.py) is what most programs do without compiled
extensions: grouped convolutions, zero-stuffed resampling, float32. Ours computes in what
`--precision auto` gives, and in float32 to tell the two gains apart. The three take turns; figures
are medians over the rounds. A step with the gradient penalty counts as one in `r1_interval`.
"""

import argparse
import copy
import statistics
import time

import torch
from reference.stylegan2_plain import PlainTrainer

from mocotool.configs.train_image import TrainImageConfig
from mocotool.devices import resolve_precision
from mocotool.image_training.trainer import ImageTrainer
from mocotool.layouts import to_unit_range

CONFIG = TrainImageConfig(
    resolution=64,
    batch_size=32,
    channel_base=2048,
    channel_max=128,
    z_dim=128,
    w_dim=128,
    num_mapping_layers=4,
    augment="none",
)


def make_trainer(precision):
    trainer = ImageTrainer(CONFIG, precision=precision)

    def step(real_u8, penalize):
        trainer.step_idx = 0 if penalize else 1
        trainer.step(real_u8)

    return step


def make_plain():
    ours = ImageTrainer(CONFIG)
    plain = PlainTrainer(
        ours.generator, ours.discriminator, copy.deepcopy(ours.averaged), config=CONFIG
    )
    return lambda real_u8, penalize: plain.step(to_unit_range(real_u8), penalize=penalize)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    precision = resolve_precision("auto", torch.device("cpu"))
    shape = (CONFIG.batch_size, 3, CONFIG.resolution, CONFIG.resolution)
    real_u8 = torch.randint(0, 256, shape, dtype=torch.uint8)
    steps = {
        "plain loop, float32": make_plain(),
        "ours, float32": make_trainer(torch.float32),
        f"ours, auto ({str(precision).removeprefix('torch.')})": make_trainer(precision),
    }
    wall = {(name, penalize): [] for name in steps for penalize in (False, True)}
    cpu = {key: [] for key in wall}
    for step in steps.values():
        step(real_u8, False)  # warm up
    for _ in range(rounds):
        for (name, penalize), wall_s in wall.items():
            before = time.perf_counter(), time.process_time()
            steps[name](real_u8, penalize)
            wall_s.append(time.perf_counter() - before[0])
            cpu[name, penalize].append(time.process_time() - before[1])
    print(f"{CONFIG.resolution} px, batch {CONFIG.batch_size}, {torch.get_num_threads()} threads")
    for clock, times in (("wall clock", wall), ("processor time", cpu)):
        rates = {}
        for name in steps:
            penalty_share = 1 / CONFIG.r1_interval
            seconds = (1 - penalty_share) * statistics.median(times[name, False])
            seconds += penalty_share * statistics.median(times[name, True])
            rates[name] = CONFIG.batch_size / seconds
        base = rates["plain loop, float32"]
        for name, rate in rates.items():
            print(f"{clock:15} {name:24} {rate:7.2f} images/s  x{rate / base:.2f}")


if __name__ == "__main__":
    main()
