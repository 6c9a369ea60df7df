"""Images per second in training: `ImageTrainer`, and a plain loop on the same networks.

    PYTHONPATH=tests python tests/bench/bench_train_image.py --plain kind --precision fp32

The plain loop (tests/reference/stylegan2_plain.py) is what most programs do without compiled
extensions: grouped convolutions and zero-stuffed resampling. Programs take turns; figures are
medians over the rounds. A step with the gradient penalty counts as one in `r1_interval`.
"""

import argparse
import copy
import statistics

import torch
from bench.measuring import (
    add_options,
    choose_precision,
    count_macs,
    describe_share,
    measure_peak,
    now,
)
from reference.stylegan2_plain import PlainTrainer, resampling

from mocotool.configs.train_image import TrainImageConfig
from mocotool.devices import DTYPES, resolve_device
from mocotool.image_training.trainer import ImageTrainer
from mocotool.layouts import to_unit_range
from mocotool.training.distributed import Processes


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    return parser.parse_args()


def make_config(args):
    return TrainImageConfig(
        resolution=args.resolution,
        batch_size=args.batch_size,
        channel_base=2048,
        channel_max=128,
        z_dim=128,
        w_dim=128,
        num_mapping_layers=4,
        augment="none",
    )


def make_ours(config, precision, device):
    processes = Processes(device=device)
    trainer = ImageTrainer(config, precision=DTYPES[precision], processes=processes)

    def step(real_u8, penalize):
        trainer.step_idx = 0 if penalize else 1
        trainer.step(real_u8)

    return step


def make_plain(config, precision, form, device):
    ours = ImageTrainer(config, processes=Processes(device=device))
    plain = PlainTrainer(
        ours.generator,
        ours.discriminator,
        copy.deepcopy(ours.averaged),
        config=config,
        dtype=DTYPES[precision],
    )

    def step(real_u8, penalize):
        with resampling(form):
            plain.step(to_unit_range(real_u8.to(device)), penalize=penalize)

    return step


def main():
    args = parse_arguments()
    config = make_config(args)
    device = resolve_device(args.device)
    precision = choose_precision(args.precision, device)
    steps = {("ours", precision): make_ours(config, precision, device)}
    if not args.no_plain:
        steps |= {
            ("plain", name): make_plain(config, name, args.plain, device)
            for name in dict.fromkeys([precision, "fp32"])
        }
    shape = (config.batch_size, 3, config.resolution, config.resolution)
    real_u8 = torch.randint(0, 256, shape, dtype=torch.uint8)

    def weigh(by_penalty):
        """Return the mean of steps without and with the penalty, as often as each is taken."""
        share = 1 / config.r1_interval
        return (1 - share) * by_penalty[False] + share * by_penalty[True]

    # Warm up, and count what a step of ours computes
    for name, step in steps.items():
        if name[0] == "plain":
            step(real_u8, False)
    ours = steps["ours", precision]
    macs = weigh({flag: count_macs(lambda: ours(real_u8, flag)) for flag in (False, True)})  # noqa: B023

    seconds = {(name, flag): [] for name in steps for flag in (False, True)}
    for _ in range(args.rounds):
        for (name, flag), found in seconds.items():
            began = now(device)
            steps[name](real_u8, flag)
            found.append(now(device) - began)
    rates = {
        name: config.batch_size
        / weigh({flag: statistics.median(seconds[name, flag]) for flag in (False, True)})
        for name in steps
    }
    report(args, rates, precision, macs_per_image=macs / config.batch_size)


def report(args, rates, precision, *, macs_per_image):
    print(f"{args.resolution} px, batch {args.batch_size}, {torch.get_num_threads()} threads")
    rate = rates["ours", precision]
    plain = rates.get(("plain", precision))
    print("at equal precision, images per second")
    if plain is not None:
        print(f"{plain:8.2f}  plain ({args.plain}), {precision}")
    print(f"{rate:8.2f}  ours, {precision}" + ("" if plain is None else f", x{rate / plain:.2f}"))
    peak = measure_peak(resolve_device(args.device), DTYPES[precision])
    print(f"          {describe_share(rate * macs_per_image, peak)}")
    if plain is not None and precision != "fp32":
        full = rates["plain", "fp32"]
        print("the rest")
        print(f"{full:8.2f}  plain ({args.plain}), fp32; ours in {precision} x{rate / full:.2f}")


if __name__ == "__main__":
    main()
