"""How long the PCA of a generator's latents takes, beside its mapping network alone.

    python tests/bench/bench_pca.py [--num-samples 1000000] [--device cpu]

Prints both times, their ratio (to be at most 1.3), and the peak memory of the whole process. The
ratio of processor time holds on a busy machine too.
"""

import argparse
import resource
import time

import torch

from mocotool.configs.pca import PCAConfig
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.pca import fit_pca_basis, iter_latents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-samples", type=int, default=1_000_000)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    # The mapping of StyleGAN2 config-f: 512 wide, 8 layers. Its synthesis is not run.
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=8, channels=[4, 4])
    generator = generator.to(args.device).freeze()
    config = PCAConfig(num_samples=args.num_samples)

    warm_up = PCAConfig(num_samples=8192)
    fit_pca_basis(generator, config=warm_up)
    mapping, mapping_cpu = timed(lambda: run_mapping(generator, config), args.device)
    whole, whole_cpu = timed(lambda: fit_pca_basis(generator, config=config), args.device)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    print(f"threads          {torch.get_num_threads()}")
    print(f"latents          {args.num_samples} x 512")
    print(f"draw and map     {mapping:.1f} s ({mapping_cpu:.1f} s of processor time)")
    print(f"whole PCA        {whole:.1f} s ({whole_cpu:.1f} s)")
    print(f"ratio            {whole / mapping:.2f} ({whole_cpu / mapping_cpu:.2f})")
    print(f"peak memory      {peak_mib:.0f} MiB, torch and all")


def run_mapping(generator: StyleGAN2, config: PCAConfig) -> None:
    with torch.no_grad():
        for _ in iter_latents(generator, config=config):
            pass


def timed(work, device: str) -> tuple[float, float]:
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - start_cpu


if __name__ == "__main__":
    main()
