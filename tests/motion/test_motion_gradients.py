"""The gradients behind each step of motion training, where Adam would hide what is wrong in them.

Adam divides gradients by their size, so a wrong weight of one loss hardly shows in the weights.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from reference.motion_plain import PlainMotionTrainer, judge_frames
from reference.toy_clips import ToyClips
from test_motion_trainer import make_config
from torch.testing import assert_close

from mocotool.basis import read_basis
from mocotool.motion.games import measure_accuracy
from mocotool.motion.losses import contrastive_loss
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.distributed import Processes

WIDE = {"image_width": 8}  # enough units that some are alive for every picture


@pytest.fixture
def make_trainer(toy_generator, toy_pca_path):
    def make(**settings):
        trainer = MotionTrainer(
            toy_generator, read_basis(toy_pca_path), make_config(**(WIDE | settings))
        )
        if settings.get("cross_domain"):
            image = trainer.games["image"]
            make_sensitive(image.network)
            image.average.load_state_dict(image.network.state_dict())
        return trainer

    return make


@torch.no_grad()
def make_sensitive(network):
    """Make embeddings depend on the pictures; those of an untrained network are nearly equal."""
    torch.manual_seed(0)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            weight.zero_()
        else:
            weight.add_(0.3 * weight.abs().mean() * torch.randn_like(weight))


def record_gradients(optimizer):
    """Return a list that gets the gradients of each coming step, one a weight."""
    steps = []
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def note(*_):
        steps.append([torch.zeros(0) if w.grad is None else w.grad.clone() for w in weights])

    optimizer.register_step_pre_hook(note)
    return steps


# Adam turns rounding into whole steps, so the steps are kept too small to matter.
STILL = {"penalty_weight": 3.0, "learning_rate": 1e-9}
SETTINGS = {
    "in-domain": STILL | {"cross_domain": False},
    "cross-domain": STILL
    | {"cross_domain": True, "contrastive_weight": 0.3, "feature_weight": 4.0},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_gradient_of_two_steps_is_the_plain_programs(make_trainer, settings):
    ours = make_trainer(**settings)
    plain = PlainMotionTrainer(copy.deepcopy(ours))
    ours_steps = {
        "motion": record_gradients(ours.optimizer),
        "video": record_gradients(ours.games["video"].optimizer),
        "image": record_gradients(ours.games["image"].optimizer),
    }
    plain_steps = {
        "motion": record_gradients(plain.optimizer),
        "video": record_gradients(plain.video_optimizer),
        "image": record_gradients(plain.image_optimizer),
    }
    clips = ToyClips(batch_size=2)

    for clip in (next(clips), next(clips)):
        ours.step(clip)
        plain.step(clip.to(torch.float32).div(127.5).sub(1))

    for network, steps in ours_steps.items():
        assert len(steps) == len(plain_steps[network]) == (4 if network == "motion" else 2)
        for step_idx, (mine, theirs) in enumerate(zip(steps, plain_steps[network], strict=True)):
            largest = max(float(grad.abs().max()) for grad in theirs if grad.numel())
            for grad, expected in zip(mine, theirs, strict=True):
                assert_close(
                    grad,
                    expected,
                    rtol=2e-3,
                    atol=2e-4 * largest,
                    msg=lambda text, at=(network, step_idx): f"{at}: {text}",
                )


def test_the_average_warms_up_before_it_lags(make_trainer):
    trainer, clips = make_trainer(learning_rate=0.01, ema_decay=0.2), ToyClips(batch_size=2)

    # (1 + step) / (10 + step), until the decay of the settings
    for kept in (1 / 10, 2 / 11, 0.2, 0.2):
        old = [p.clone() for p in trainer.averaged.parameters()]
        trainer.step(next(clips))

        for before, new, averaged in zip(
            old, trainer.motion.parameters(), trainer.averaged.parameters(), strict=True
        ):
            assert_close(averaged, kept * before + (1 - kept) * new.detach())


@pytest.mark.parametrize(
    ("form", "right_real", "right_fake"),
    [("hinge", 0.75, 0.5), ("log", 0.75, 0.5), ("ralsgan", 0.75, 1.0)],
)
def test_accuracies_are_of_the_kind_they_are_named_after(form, right_real, right_fake):
    real, fake = torch.tensor([3.0, 2.0, 0.7, -0.1]), torch.tensor([0.9, 0.5, -0.5, -0.5])

    values = measure_accuracy([real], [fake], form=form, processes=Processes(), name="d")

    # relativistic: real ones against the mean 0.1 of the others, those against the mean 1.4
    assert {name: float(value) for name, value in values.items()} == {
        "d_right_real": right_real,
        "d_right_fake": right_fake,
    }


def test_each_bank_keeps_the_frames_it_is_named_after(make_trainer):
    trainer = make_trainer(cross_domain=True)
    game = trainer.games["image"]
    frames = torch.randn(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = copy.deepcopy(game.average)
    plain = PlainMotionTrainer(copy.deepcopy(trainer))
    path = ("g", 0, 0)
    frame_idx = game.context.later_frame("frame", *path)
    first = plain.augment_view(frames[:, 0], "first", *path)
    later = plain.augment_view(frames[:, frame_idx], "later", *path)

    game.generator_losses(frames, *path)

    expected = {
        name: F.normalize(judge_frames(before, view)[1].detach(), dim=1)
        for name, view in (("first", first), ("later", later))
    }
    assert not torch.allclose(expected["first"], expected["later"], atol=1e-2)
    for name, entries in expected.items():
        assert_close(game.banks[name].entries[:2], entries, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("denominator", ["paper", "reference"])
def test_the_contrastive_loss_of_two_processes_has_the_gradient_of_one(denominator):
    torch.manual_seed(0)
    a, b = (torch.randn(4, 6, requires_grad=True) for _ in range(2))
    settings = {
        "negatives": torch.randn(5, 6),
        "temperature": 0.3,
        "denominator": denominator,
    }
    expected = torch.autograd.grad(contrastive_loss(a=a, b=b, **settings), (a, b))

    class OneOfTwo(Processes):
        """Sees the rows of its neighbour, which live in this process."""

        def gather_with_gradient(self, value):
            # [2, d] of this process; which of a and b it is shows in its values
            return next(whole for whole in (a, b) if torch.equal(whole[self.rows(4)], value))

    losses = [
        contrastive_loss(a=a[p.rows(4)], b=b[p.rows(4)], processes=p, **settings)
        for p in (OneOfTwo(0, 2), OneOfTwo(1, 2))
    ]
    grads = torch.autograd.grad(torch.stack(losses).mean(), (a, b))

    for grad, whole in zip(grads, expected, strict=True):
        assert_close(grad, whole)
