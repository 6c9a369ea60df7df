"""The rows of a table that `moco eval all` prints."""

from mocotool.metrics.overview import Overview
from mocotool.metrics.results import MetricResult

RESULTS = (
    MetricResult(
        metric="FVD",
        value=700.25,
        std=24.1,
        protocol={},
        inputs={},
        details={"ground_truth": {"value": 12.5}},
    ),
    MetricResult(
        metric="precision (a|b)",
        value=0.75,
        standard_error=0.02,
        protocol={},
        inputs={},
        details={
            "recall": {"value": 0.5, "standard_error": 0.03},
            "density": {"value": 0.9},
            "ground_truth": {"value": 0.95, "recall": 0.96},
        },
    ),
)
OVERVIEW = Overview(RESULTS, {})


def test_markdown_has_heads_the_method_and_real_against_real():
    assert OVERVIEW.as_rows("ours", "markdown").splitlines() == [
        "| method | FVD | precision (a\\|b) | recall | density |",
        "|---|---|---|---|---|",
        "| ours | 700.2 ± 24 | 0.75 ± 0.02 | 0.5 ± 0.03 | 0.9 |",
        "| real | 12.5 | 0.95 | 0.96 | - |",
    ]


def test_latex_escapes_what_it_must():
    rows = OVERVIEW.as_rows("walk_1 & 100%", "latex").splitlines()

    assert rows[1] == (
        r"walk\_1 \& 100\% & 700.2 $\pm$ 24 & 0.75 $\pm$ 0.02 & 0.5 $\pm$ 0.03 & 0.9 \\"
    )
    assert len(rows) == 3
