"""The losses of the motion generator and of its two discriminators.

Scores are lists of tensors, one per scale of the discriminator, the batch first. Where a loss needs
a mean over the whole batch, `processes` makes it the batch of all processes.
"""

import dataclasses
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.errors import MismatchError
from mocotool.training.distributed import Processes
from mocotool.training.networks import input_gradients_only

AdversarialLoss = Literal["ralsgan", "log", "hinge"]
Denominator = Literal["reference", "paper"]
PenaltyNorm = Literal["location", "clip"]

ALONE = Processes()
NORM_EPS = 1e-12  # keeps the square root's slope finite where a gradient is exactly zero


def mutual_information_loss(*, noise_pred: Tensor, noise: Tensor) -> Tensor:
    """Reward motion that keeps the noise recoverable.

    Without it the LSTM learns to ignore its noise and every clip moves the same way.

    Args:
        noise_pred: The noise head's guess, [n, t-1, noise_dim].
        noise: The noise fed to the LSTM, same shape.

    Returns:
        Scalar in [-1, 1]; -1 means perfectly recovered.

    Raises:
        MismatchError: The two shapes differ.

    Source:
        Paper: Eq. 3, Sec. 3.1 (maximised there; this is the negative, to be minimised).
        Official code: train_func_in_domain.py, G_step.
        Follows: both.
    """
    _check_guess(noise_pred, noise)
    return -F.cosine_similarity(noise_pred, noise, dim=-1).mean()


def noise_regression_loss(*, noise_pred: Tensor, noise: Tensor) -> Tensor:
    """Reward steps of which the noise can be told, by its length too.

    Up to constants the negative logarithm of a normal distribution around the guess, which bounds
    the mutual information of noise and steps from below where the guess comes from the steps.

    Args:
        noise_pred: The guess of a head that reads noisy steps, [n, t-1, noise_dim].
        noise: The noise fed to the LSTM, same shape.

    Returns:
        Scalar from 0; 1 where nothing is known.

    Raises:
        MismatchError: The two shapes differ.

    Source:
        Paper: Chen et al., InfoGAN, arXiv:1606.03657, Sec. 5 (the bound). Neither our paper nor
            the official code has this term.
    """
    _check_guess(noise_pred, noise)
    return (noise_pred - noise).square().mean()


def noise_contrast_loss(
    *, noise_pred: Tensor, noise: Tensor, processes: Processes = ALONE
) -> Tensor:
    """Reward steps that tell which noise of the batch moved them (InfoNCE).

    Args:
        noise_pred: What a head makes of noisy steps, [n, t-1, noise_dim]; its product with a noise
            says how well they go together.
        noise: The noise fed to the LSTM, same shape.
        processes: Whose batches the other noises come from.

    Returns:
        Scalar from 0; log of the number of noises where nothing is known.

    Raises:
        MismatchError: The two shapes differ.

    Source:
        Paper: van den Oord et al., arXiv:1807.03748, Sec. 2.3. Neither our paper nor the official
            code has this term.
    """
    _check_guess(noise_pred, noise)
    guesses, own = noise_pred.flatten(0, 1), noise.flatten(0, 1)  # [m, noise_dim]
    logits = guesses @ processes.gather(own).T  # [m, noises of all processes]
    first = processes.rank * len(own)
    each = torch.arange(len(own), device=own.device)
    return -logits.log_softmax(dim=1)[each, first + each].mean()


def _check_guess(noise_pred: Tensor, noise: Tensor) -> None:
    if noise_pred.shape != noise.shape:
        raise MismatchError(
            f"predicted noise has shape {list(noise_pred.shape)}, the noise {list(noise.shape)}"
        )


def adversarial_loss(
    *,
    real: list[Tensor],
    fake: list[Tensor],
    form: AdversarialLoss,
    for_generator: bool,
    processes: Processes = ALONE,
) -> Tensor:
    """Compute the adversarial loss of videos or frames, for the discriminator or the generator.

    The relativistic form sums over scales and the others average, each as in its source.

    Args:
        real: The discriminator's scores of real samples, one map [n, 1, ...] per scale. For D_V,
            real videos. For D_I, first frames, rendered without motion; in the authors' in-domain
            recipe, pairs of frames of a real video.
        fake: Its scores of generated videos, of later frames, or of pairs of generated frames, of
            the same shapes.
        form: "log" is the paper's, with the generator's non-saturating side. The authors' program
            has "ralsgan", the relativistic average least-squares loss with labels 1 and 0, for D_V
            and for its in-domain D_I, and "hinge" for D_I across domains.
        for_generator: Whether to return the generator's loss, not the discriminator's.
        processes: Processes over whose batches means are taken.

    Returns:
        Scalar, to be minimised by that side; at least 0 except for the generator's hinge loss.

    Source:
        Paper: Eq. 4, Sec. 3.1 (of D_V);
            Eq. 5, Sec. 3.2 (of D_I).
        Official code: models/losses.py (RaLSGAN, which the paper does not mention),
            train_func_in_domain.py (RaLSGAN), train_func_cross_domain.py (hinge).
        Follows: either, by `form`.
    """
    if form == "ralsgan":
        above, below = (fake, real) if for_generator else (real, fake)
        one = relativistic_distance(above, below, target=1.0, processes=processes)
        return 0.5 * (one + relativistic_distance(below, above, target=0.0, processes=processes))
    if form == "hinge":
        if for_generator:
            return -mean_over_scales(fake)
        return mean_over_scales([F.relu(1.0 - x) for x in real]) + mean_over_scales(
            [F.relu(1.0 + x) for x in fake]
        )
    if for_generator:
        return mean_over_scales([F.softplus(-x) for x in fake])
    return mean_over_scales([F.softplus(-x) for x in real]) + mean_over_scales(
        [F.softplus(x) for x in fake]
    )


def relativistic_distance(
    scores: list[Tensor], others: list[Tensor], *, target: float, processes: Processes
) -> Tensor:
    """Return the mean of (score - mean of others - target)^2 per scale, summed over scales.

    Args:
        scores: One map [n, 1, ...] per scale.
        others: Maps of the other kind of samples, same shapes.
        target: 1 or 0.
        processes: Processes over whose batches the mean of `others` is taken.
    """
    parts = [
        (score - processes.average_with_gradient(other.mean()) - target).square().mean()
        for score, other in zip(scores, others, strict=True)
    ]
    return torch.stack(parts).sum()


def mean_over_scales(losses: list[Tensor]) -> Tensor:
    """Return the mean over scales of the mean of each map [n, 1, ...]."""
    return torch.stack([loss.mean() for loss in losses]).mean()


def gradient_penalty(scores: list[Tensor], video: Tensor, *, norm: PenaltyNorm) -> Tensor:
    """Keep a discriminator's slope near one between real and generated videos.

    Args:
        scores: Its scores of `video`, one map a scale.
        video: Mixtures of real and generated videos, [n, c, t, h, w], asking for a gradient.
        norm: "location" asks it of the slope at every pixel of every frame, over channels alone, as
            the authors' program does; "clip" of each clip's whole slope.

    Returns:
        Scalar: the mean square distance from one, averaged over scales.

    Source:
        Official code: models/losses.py, compute_gradient_penalty_T (not in the paper).
    """
    penalties = []
    for score in scores:
        with input_gradients_only():
            (slope,) = torch.autograd.grad(score.sum(), video, create_graph=True)
        axes = (1,) if norm == "location" else (1, 2, 3, 4)
        length = (slope.to(torch.float32).square().sum(dim=axes) + NORM_EPS).sqrt()
        penalties.append((length - 1.0).square().mean())
    return torch.stack(penalties).mean()


def contrastive_loss(
    *,
    a: Tensor,
    b: Tensor,
    negatives: Tensor,
    temperature: float,
    denominator: Denominator,
    processes: Processes = ALONE,
) -> Tensor:
    """Draw two views of one video together, and those of different videos apart.

    Args:
        a: Embeddings of one view of each video, [n, embed_dim].
        b: Embeddings of another view, same shape.
        negatives: Embeddings of other videos from the memory bank, [q, embed_dim].
        temperature: Divides the cosine similarities.
        denominator: What each view is compared with. "paper": views of other videos only.
            "reference": its partner too, and itself with a logit of zero.
        processes: Whose batches the other videos come from.

    Returns:
        Scalar: the mean over views.

    Source:
        Paper: Eq. 6, Sec. 3.2.
        Official code: models/D_img.py.
        Follows: either, by `denominator`.
        Deviation: the paper's sum over the batch is a mean, as in the program, so that the weight
            means the same at every batch size.
    """
    n = len(a)
    rows = F.normalize(torch.cat([a, b]), dim=1)  # [2n, embed_dim]
    all_a, all_b = processes.gather_with_gradient(a), processes.gather_with_gradient(b)
    columns = F.normalize(torch.cat([all_a, all_b, negatives]), dim=1)  # [2N+q, embed_dim]
    logits = rows @ columns.t() / temperature  # [2n, 2N+q]
    first = processes.rank * n
    own = torch.arange(first, first + n, device=a.device)
    itself = torch.cat([own, own + len(all_a)])
    partner = torch.cat([own + len(all_a), own])
    each = torch.arange(2 * n, device=a.device)
    positive = logits[each, partner]
    if denominator == "reference":
        logits = logits.index_put((each, itself), logits.new_zeros(()))
    else:
        nothing = logits.new_full((), -torch.inf)
        logits = logits.index_put((each, itself), nothing).index_put((each, partner), nothing)
    return (logits.logsumexp(dim=1) - positive).mean()


def feature_matching_loss(*, first: Tensor, later: Tensor) -> Tensor:
    """Keep what D_I sees in later frames close to what it sees in the first.

    Args:
        first: Features of the first frame of each video, [n, d].
        later: Features of k later frames of each, [n, k, d].

    Returns:
        Scalar in [-1, 1]; -1 means alike.

    Source:
        Paper: Sec. 3.2, L_f (maximised there; this is the negative).
        Official code: train_func_cross_domain.py, G_step (embeddings of one augmented frame).
    """
    return -F.cosine_similarity(later, first[:, None], dim=-1).mean()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """How much each term of the generator's objective counts."""

    video: float = 1.0
    image: float = 1.0
    mutual_info: float = 1.0
    feature: float = 1.0


def total_generator_loss(
    *,
    video: Tensor | None,
    image: Tensor | None,
    mutual_info: Tensor | None,
    feature: Tensor | None,
    weights: LossWeights,
) -> Tensor:
    """Sum the weighted losses of the motion generator, scalars; `None` for disabled terms.

    Raises:
        MismatchError: All terms are disabled.

    Source:
        Paper: Eq. 7, Sec. 3.2 (the generator's side; all weights one).
    """
    terms = [
        weight * loss
        for weight, loss in (
            (weights.video, video),
            (weights.image, image),
            (weights.mutual_info, mutual_info),
            (weights.feature, feature),
        )
        if loss is not None
    ]
    if not terms:
        raise MismatchError("every loss of the motion generator is switched off")
    return torch.stack(terms).sum()
