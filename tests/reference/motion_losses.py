"""The losses of motion training, one number at a time."""

import math

import torch
from torch import nn


def cosine(a, b):
    return float((a @ b) / (a.norm() * b.norm()))


def mutual_information(noise_pred, noise):
    rows = zip(noise_pred.flatten(0, 1), noise.flatten(0, 1), strict=True)
    values = [cosine(p, e) for p, e in rows]
    return -sum(values) / len(values)


def noise_regression(noise_pred, noise):
    pairs = list(zip(noise_pred.flatten().tolist(), noise.flatten().tolist(), strict=True))
    return sum((p - e) ** 2 for p, e in pairs) / len(pairs)


def noise_contrast(noise_pred, noise):
    """-log of the share that a guess gives to its own noise, among all of the batch."""
    guesses, noises = noise_pred.flatten(0, 1), noise.flatten(0, 1)
    losses = []
    for i, guess in enumerate(guesses):
        odds = [math.exp(float(guess @ one)) for one in noises]
        losses.append(-math.log(odds[i] / sum(odds)))
    return sum(losses) / len(losses)


def ralsgan(a, b, target):
    total = 0.0
    for one, other in zip(a, b, strict=True):
        mean = sum(other.flatten().tolist()) / other.numel()
        values = [(score - mean - target) ** 2 for score in one.flatten().tolist()]
        total += sum(values) / len(values)
    return total


def log_loss(scores, *, is_real):
    """-log D for real scores, -log(1 - D) for others; patches and scales averaged."""
    means = []
    for scale in scores:
        chances = [1 / (1 + math.exp(-x)) for x in scale.flatten().tolist()]
        values = [-math.log(p if is_real else 1 - p) for p in chances]
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


def hinge(scores, *, is_real):
    means = []
    for scale in scores:
        sign = 1 if is_real else -1
        values = [max(0.0, 1 - sign * x) for x in scale.flatten().tolist()]
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


def contrastive(a, b, negatives, temperature, denominator):
    """The paper's sum over j != i, or the authors' softmax over everything."""
    n = len(a)
    views = [*a, *b]
    losses = []
    for i, view in enumerate(views):
        partner = (i + n) % (2 * n)
        positive = math.exp(cosine(view, views[partner]) / temperature)
        others = sum(math.exp(cosine(view, x) / temperature) for x in negatives)
        for j, other in enumerate(views):
            if j not in (i, partner):
                others += math.exp(cosine(view, other) / temperature)
        if denominator == "reference":
            others += positive + 1.0  # itself, its logit multiplied by zero
        losses.append(-math.log(positive / others))
    return sum(losses) / len(losses)


class PlainPatchDiscriminator(nn.Module):
    """One scale of D_V out of torch's own layers, for their own second derivatives."""

    def __init__(self, in_channels, width):
        super().__init__()
        sizes = [in_channels, width, 2 * width, 4 * width, 8 * width]
        layers = [nn.Conv3d(sizes[0], sizes[1], 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for i, stride in ((1, 2), (2, 2), (3, 1)):
            layers += [
                nn.Conv3d(sizes[i], sizes[i + 1], 4, stride=stride, padding=2),
                nn.InstanceNorm3d(sizes[i + 1]),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv3d(sizes[4], 1, 4, stride=1, padding=2))

    def forward(self, x):
        return self.layers(x)


def gradient_penalty(network, video, *, norm):
    """Mean over scales of (|slope| - 1)^2, by torch's own second derivatives."""
    video = video.clone().requires_grad_()
    total = 0.0
    for i in range(len(network.scales)):
        score = network(video)[i].sum()
        (slope,) = torch.autograd.grad(score, video, create_graph=True)
        axes = 1 if norm == "location" else (1, 2, 3, 4)
        total = total + (slope.square().sum(axes).sqrt() - 1).square().mean()
    return total / len(network.scales)
