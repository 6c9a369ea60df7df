import pytest
import torch
from toy_world import NUM_FRAMES, ROWS, TRUTH, Discs, draw_table, measure, train, walk, walk_really


def _real_walks(a=64, b=64):
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(a, 6, generator=rng).repeat_interleave(b, dim=0)
    return walk_really(first, rng).unflatten(0, (a, b))


def test_real_discs_have_the_figures_of_the_truth():
    figures = measure(_real_walks())

    for name, truth in TRUTH.items():
        assert figures[name] == pytest.approx(truth, abs=0.05), name


def test_one_way_for_each_content_is_no_free_bit():
    walks = _real_walks()

    figures = measure(walks[:, :1].expand(-1, 64, -1, -1))

    assert figures["free"] == 0
    assert figures["content"] == pytest.approx(1.0, abs=0.05)


def test_motion_that_does_not_look_at_the_content_tells_nothing_of_it():
    walks = _real_walks()
    way = walks - walks[:, :, :1]

    blind = walks[:, :, :1] + way[torch.randperm(64, generator=torch.Generator().manual_seed(1))]

    assert measure(blind)["content"] < 0.15


def test_standing_still_has_no_bits_and_no_ways():
    walks = _real_walks()

    figures = measure(walks[:, :, :1].expand(-1, -1, NUM_FRAMES, -1))

    assert (figures["free"], figures["content"], figures["ways"]) == (0, 0, 0)


def test_pictures_have_gradients_with_respect_to_every_latent():
    latent = torch.randn(4, 6, requires_grad=True)

    (slope,) = torch.autograd.grad(Discs().synthesis(latent).square().sum(), latent)

    assert (slope.abs().sum(dim=0) > 0).all()


@pytest.mark.parametrize("row", ["whole", "without Eq. 2", *list(ROWS)[-2:]])
def test_rows_train_and_are_measured(row):
    trainer = train(row, seed=0, num_steps=2, batch_size=4)

    figures = measure(walk(trainer, num_contents=4, num_motions=3))

    assert set(figures) == set(TRUTH)


def test_the_table_has_paired_differences():
    figures = dict(TRUTH)
    done = {
        (row, seed, 9): figures | {"free": seed + i}
        for i, row in enumerate(ROWS)
        for seed in (0, 1)
    }

    lines = list(draw_table(done, list(ROWS), 2, 9))

    assert len(lines) == 3 + len(ROWS)
    assert "(+1.00 ± 0.00)" in lines[4]
