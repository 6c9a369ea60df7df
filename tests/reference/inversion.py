"""The inversion, slow and obvious: loops over images and pixels, one plain search after the other.

Written from the paper (Tian et al. 2021, Sec. 4) and from the published shape of VGG16
(configuration D); shares no code with mocotool.
"""

import numpy as np
import torch
import torch.nn.functional as F
from reference.stylegan2_plain import synthesize

VGG16_D = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def mean_square(a, b):
    """Mean of squared differences, summed pixel by pixel."""
    total, count = 0.0, 0
    for x, y in zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True):
        total += (x - y) ** 2
        count += 1
    return total / count


def halve(img):
    """Average blocks of two by two pixels of [c, h, w]."""
    c, h, w = img.shape
    out = np.zeros((c, h // 2, w // 2))
    for row in range(h // 2):
        for column in range(w // 2):
            block = img[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            out[:, row, column] = block.mean(axis=(1, 2))
    return out


def pyramid_distance(a, b, *, levels=4):
    """Distance of two images [c, h, w]: gradients at each size, and the reduced images."""
    total = 0.0
    for level in range(levels):
        if level:
            if min(a.shape[1:]) < 4:
                break
            a, b = halve(a), halve(b)
            total += mean_square(a, b)
        total += mean_square(np.diff(a, axis=2), np.diff(b, axis=2))
        total += mean_square(np.diff(a, axis=1), np.diff(b, axis=1))
    return total


def build_vgg16(num_classes=1000):
    """VGG16 as torchvision lays it out, with random weights: a module with its names."""
    layers, c_in = [], 3
    for width in VGG16_D:
        if width == "M":
            layers.append(torch.nn.MaxPool2d(2))
        else:
            layers += [torch.nn.Conv2d(c_in, width, 3, padding=1), torch.nn.ReLU()]
            c_in = width
    return torch.nn.ModuleDict({"features": torch.nn.Sequential(*layers)})


def vgg16_activations(network, img):
    """relu1_2, relu2_2, relu3_3 and relu4_3 of [n, 3, h, w] in [-1, 1]."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    stdev = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x = ((img + 1) / 2 - mean) / stdev
    found = []
    for place, layer in enumerate(network["features"]):
        if place > 22:
            break
        x = layer(x)
        if place in (3, 8, 15, 22):
            found.append(x)
    return found


def invert_plainly(generator, target, *, num_steps, learning_rate=0.1, perceptual_weight=1.0):
    """Search for one image [3, h, w] from the mean latent, in float32, grouped convolutions.

    Returns the latent [w_dim] and the pixel distance of each step.
    """
    synthesis = generator.synthesis
    noise = [layer.noise_const[None, None] for layer in synthesis.layers()]
    latent = generator.mapping.w_avg.clone().requires_grad_()
    adam = torch.optim.Adam([latent], lr=learning_rate)
    distances = []
    for _ in range(num_steps):
        img = synthesize(synthesis, latent.expand(1, generator.num_ws, -1), noise)
        pixel = (img - target[None]).square().mean()
        loss = pixel
        a, b = img, target[None]
        for level in range(4):
            if level:
                a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
                loss = loss + perceptual_weight * (a - b).square().mean()
            for axis in (2, 3):
                gap = torch.diff(a, dim=axis) - torch.diff(b, dim=axis)
                loss = loss + perceptual_weight * gap.square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        distances.append(float(pixel.detach()))
    return latent.detach(), distances
