"""`moco eval all`: every metric that the inputs allow, in one table."""

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol


def all_metrics(
    real: ev.Real,
    fake: ev.Fake,
    *,
    protocol: ev.Protocol = "stylegan-v",
    num_frames: ev.NumFrames = None,
    frame_stride: ev.FrameStride = None,
    real_clips: ev.RealClips = None,
    fake_clips: ev.FakeClips = None,
    num_real: ev.NumReal = None,
    num_fake: ev.NumFake = None,
    seed: ev.ProtocolSeed = None,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure everything that the inputs and the detectors at hand allow.

    Distances, scores and identity in one table, real against real beside
    each; what cannot be measured says why. One metric alone tells more.

    Example: moco eval all people/train walk.npz
    """
    report = Report(json=json, quiet=quiet)
    settings = VideoProtocol.from_preset(
        protocol,
        num_frames=num_frames,
        frame_stride=frame_stride,
        real_clips=real_clips,
        fake_clips=fake_clips,
        num_real=num_real,
        num_fake=num_fake,
        seed=seed,
    )
    for path in (real, fake):
        ev.check_side(path)

    from mocotool.metrics.overview import compute_all

    config = ExtractionConfig(batch_size=batch_size, use_cache=cache)
    with ev.start_measuring(report, device=device, config=config, what="samples") as measuring:
        sides = ev.open_sides(
            (real, fake),
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        overview = compute_all(*sides, protocol=settings, measuring=measuring, warn=report.warn)
    if not measuring.processes.is_first:
        return
    for warning in sorted({text for result in overview.results for text in result.warnings}):
        report.warn(warning)
    report.result(overview.as_json() if report.json else overview.as_table())
