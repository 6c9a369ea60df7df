"""Random changes of pictures, one pixel at a time."""

import math

import torch


def reflect(position, size):
    """Fold a position in pixels into the picture, mirrored at the outer edges."""
    position = abs(position + 0.5)
    turns, rest = divmod(position, size)
    folded = rest if int(turns) % 2 == 0 else size - rest
    return min(max(folded - 0.5, 0.0), size - 1.0)


def sample_bilinear(img, x, y):
    _, height, width = img.shape
    left, top = math.floor(x), math.floor(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    fx, fy = x - left, y - top
    upper = img[:, top, left] * (1 - fx) + img[:, top, right] * fx
    lower = img[:, bottom, left] * (1 - fx) + img[:, bottom, right] * fx
    return upper * (1 - fy) + lower * fy


def warp(img, theta):
    _, height, width = img.shape
    out = torch.empty_like(img)
    for row in range(height):
        for column in range(width):
            u, v = (2 * column + 1) / width - 1, (2 * row + 1) / height - 1
            x = float(theta[0, 0] * u + theta[0, 1] * v + theta[0, 2])
            y = float(theta[1, 0] * u + theta[1, 1] * v + theta[1, 2])
            x = reflect(((x + 1) * width - 1) / 2, width)
            y = reflect(((y + 1) * height - 1) / 2, height)
            out[:, row, column] = sample_bilinear(img, x, y)
    return out


def augment(imgs, augmentation):
    results = []
    for i in range(len(imgs)):
        img = imgs[i].clone()
        top, bottom, left, right = augmentation.cutout[i].tolist()
        img[:, top:bottom, left:right] = 0
        if augmentation.flip[i]:
            img = torch.stack([img[:, :, -1 - x] for x in range(img.shape[2])], dim=2)
        img = img + augmentation.shift[i][:, None, None]
        if augmentation.is_affine[i]:
            img = warp(img, augmentation.theta[i])
        results.append(img)
    return torch.stack(results)
