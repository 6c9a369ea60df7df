"""Each loss against its slow reference, and what it is for."""

import math

import pytest
import torch
from reference import motion_losses as slow
from torch.testing import assert_close

from mocotool.errors import MismatchError
from mocotool.motion.losses import (
    LossWeights,
    adversarial_loss,
    contrastive_loss,
    feature_matching_loss,
    gradient_penalty,
    mutual_information_loss,
    noise_contrast_loss,
    noise_regression_loss,
    total_generator_loss,
)
from mocotool.motion.patch_discriminator import MultiscaleDiscriminator


@pytest.fixture
def real():
    torch.manual_seed(1)
    return [torch.randn(2, 1, 3, 4, 4) + 0.5, torch.randn(2, 1, 3, 2, 2)]


@pytest.fixture
def fake():
    torch.manual_seed(2)
    return [torch.randn(2, 1, 3, 4, 4), torch.randn(2, 1, 3, 2, 2) - 0.3]


def test_mutual_information_is_the_mean_cosine():
    noise_pred, noise = torch.randn(2, 3, 5), torch.randn(2, 3, 5)

    loss = mutual_information_loss(noise_pred=noise_pred, noise=noise)

    assert float(loss) == pytest.approx(slow.mutual_information(noise_pred, noise), abs=1e-6)


def test_mutual_information_of_recovered_noise_is_minus_one():
    noise = torch.randn(2, 3, 5)

    assert float(mutual_information_loss(noise_pred=3 * noise, noise=noise)) == pytest.approx(-1)


INFORMATION_LOSSES = [mutual_information_loss, noise_regression_loss, noise_contrast_loss]


@pytest.mark.parametrize("loss", INFORMATION_LOSSES)
def test_mutual_information_refuses_other_shapes(loss):
    with pytest.raises(MismatchError, match=r"\[2, 3, 5\]"):
        loss(noise_pred=torch.zeros(2, 3, 5), noise=torch.zeros(2, 4, 5))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (noise_regression_loss, slow.noise_regression),
        (noise_contrast_loss, slow.noise_contrast),
    ],
)
def test_what_asks_the_steps_is_the_loop_over_guesses(loss, expected):
    noise_pred, noise = torch.randn(2, 3, 5), torch.randn(2, 3, 5)

    value = float(loss(noise_pred=noise_pred, noise=noise))

    assert value == pytest.approx(expected(noise_pred, noise), rel=1e-5)


def test_amplitude_counts_but_for_the_cosine():
    noise = torch.randn(2, 3, 5)
    guess = noise + 0.1 * torch.randn(2, 3, 5)

    full, faint = (
        [float(loss(noise_pred=scale * guess, noise=noise)) for loss in INFORMATION_LOSSES]
        for scale in (1.0, 0.1)
    )

    assert faint[0] == pytest.approx(full[0], abs=1e-6)
    assert faint[1] > full[1] + 0.5
    assert faint[2] > full[2] + 0.5


def test_a_guess_of_nothing_is_worth_what_theory_says():
    noise = torch.randn(40, 10, 5)
    nothing = torch.zeros_like(noise)

    assert float(noise_regression_loss(noise_pred=nothing, noise=noise)) == pytest.approx(
        1, abs=0.1
    )
    contrast = float(noise_contrast_loss(noise_pred=nothing, noise=noise))
    assert contrast == pytest.approx(math.log(400), rel=1e-5)


def test_the_contrast_counts_the_noises_of_all_processes():
    class Second:
        """The second of two processes."""

        rank = 1

        def gather(self, value):
            return torch.cat([torch.full_like(value, 0.3), value])

    noise_pred, noise = torch.randn(2, 3, 5), torch.randn(2, 3, 5)

    ours = noise_contrast_loss(noise_pred=noise_pred, noise=noise, processes=Second())

    both = torch.cat([torch.full((2, 3, 5), 0.3), noise])
    rows = noise_pred.flatten(0, 1) @ both.flatten(0, 1).T
    own = [rows[i, 6 + i] - rows[i].exp().sum().log() for i in range(6)]
    assert float(ours) == pytest.approx(-float(sum(own)) / 6, rel=1e-5)


def test_ralsgan_is_the_authors(real, fake):
    d_loss = adversarial_loss(real=real, fake=fake, form="ralsgan", for_generator=False)
    g_loss = adversarial_loss(real=real, fake=fake, form="ralsgan", for_generator=True)

    expected_d = 0.5 * (slow.ralsgan(real, fake, 1.0) + slow.ralsgan(fake, real, 0.0))
    expected_g = 0.5 * (slow.ralsgan(fake, real, 1.0) + slow.ralsgan(real, fake, 0.0))
    assert float(d_loss) == pytest.approx(expected_d, rel=1e-5)
    assert float(g_loss) == pytest.approx(expected_g, rel=1e-5)


def test_ralsgan_lets_gradients_through_the_other_sides_mean(real, fake):
    fake = [x.requires_grad_() for x in fake]

    loss = adversarial_loss(real=real, fake=fake, form="ralsgan", for_generator=False)
    loss.backward()

    # of mean((r - mean f - 1)^2) + mean((f - mean r)^2), halved, per patch
    r, f = real[0], fake[0].detach()
    through_mean = -(r - f.mean() - 1).mean() / f.numel()
    own = (f - r.mean()) / f.numel()
    assert_close(fake[0].grad, own + through_mean)


def test_the_log_loss_is_the_papers(real, fake):
    d_loss = adversarial_loss(real=real, fake=fake, form="log", for_generator=False)
    g_loss = adversarial_loss(real=[], fake=fake, form="log", for_generator=True)

    expected = slow.log_loss(real, is_real=True) + slow.log_loss(fake, is_real=False)
    assert float(d_loss) == pytest.approx(expected, rel=1e-5)
    assert float(g_loss) == pytest.approx(slow.log_loss(fake, is_real=True), rel=1e-5)


def test_the_hinge_loss_is_the_authors(real, fake):
    d_loss = adversarial_loss(real=real, fake=fake, form="hinge", for_generator=False)
    g_loss = adversarial_loss(real=[], fake=fake[:1], form="hinge", for_generator=True)

    expected = slow.hinge(real, is_real=True) + slow.hinge(fake, is_real=False)
    assert float(d_loss) == pytest.approx(expected, rel=1e-5)
    assert float(g_loss) == pytest.approx(-float(fake[0].mean()), rel=1e-5)


@pytest.mark.parametrize("form", ["ralsgan", "log", "hinge"])
def test_the_generator_wants_higher_scores_and_the_discriminator_lower(form, real, fake):
    up = [x + 0.1 for x in fake]

    def losses(scores):
        return [
            float(adversarial_loss(real=real, fake=scores, form=form, for_generator=for_g))
            for for_g in (True, False)
        ]

    g_before, d_before = losses(fake)
    g_after, d_after = losses(up)
    assert g_after < g_before
    assert d_after > d_before


@pytest.mark.parametrize("denominator", ["paper", "reference"])
def test_the_contrastive_loss_is_the_loop_over_pairs(denominator):
    torch.manual_seed(0)
    a, b, negatives = torch.randn(3, 6), torch.randn(3, 6), torch.randn(5, 6)

    loss = contrastive_loss(a=a, b=b, negatives=negatives, temperature=0.3, denominator=denominator)

    expected = slow.contrastive(a, b, negatives, 0.3, denominator)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_contrastive_loss_falls_when_partners_meet():
    torch.manual_seed(0)
    a, b, negatives = torch.randn(3, 6), torch.randn(3, 6), torch.randn(5, 6)
    settings = {"negatives": negatives, "temperature": 0.07, "denominator": "paper"}

    near = contrastive_loss(a=a, b=a.lerp(b, 0.1), **settings)

    assert near < contrastive_loss(a=a, b=b, **settings)


def test_feature_matching_compares_each_later_frame_with_the_first():
    first, later = torch.randn(2, 4), torch.randn(2, 3, 4)

    loss = feature_matching_loss(first=first, later=later)

    values = [slow.cosine(first[i], later[i, t]) for i in range(2) for t in range(3)]
    assert float(loss) == pytest.approx(-sum(values) / 6, abs=1e-6)


@pytest.mark.parametrize("norm", ["location", "clip"])
def test_the_gradient_penalty_and_its_gradient_are_those_of_torchs_own_derivatives(norm):
    torch.manual_seed(0)
    network = MultiscaleDiscriminator(3, width=2, num_dims=3).double()
    network.compute_dtype = torch.float64
    plain = MultiscaleDiscriminator(3, width=2, num_dims=3).double()
    plain.compute_dtype = torch.float64
    plain.scales = torch.nn.ModuleList(
        slow.PlainPatchDiscriminator(3, 2).double() for _ in range(2)
    )
    plain.load_state_dict(network.state_dict())
    video = torch.randn(2, 3, 5, 16, 16, dtype=torch.float64)

    leaf = video.clone().requires_grad_()
    penalty = gradient_penalty(network(leaf), leaf, norm=norm)
    penalty.backward(inputs=list(network.parameters()))
    expected = slow.gradient_penalty(plain, video, norm=norm)
    expected.backward()

    # the slopes are squared in float32, whatever the networks compute in
    assert_close(penalty.double(), expected, rtol=1e-6, atol=0)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        theirs_grad = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        ours_grad = torch.zeros_like(ours) if ours.grad is None else ours.grad
        assert_close(ours_grad, theirs_grad, rtol=1e-4, atol=1e-8)


def test_the_total_weighs_its_terms_and_leaves_out_what_is_off():
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    weights = LossWeights(video=1.0, image=3.0, mutual_info=10.0, feature=5.0)

    total = total_generator_loss(
        video=one, image=two, mutual_info=None, feature=one, weights=weights
    )

    assert float(total) == 12.0


def test_a_generator_without_any_loss_is_refused():
    with pytest.raises(MismatchError, match="switched off"):
        total_generator_loss(
            video=None, image=None, mutual_info=None, feature=None, weights=LossWeights()
        )
