"""SqueezeNet 1.1 as loops over positions, in float64."""

import numpy as np


def conv(x, weight, bias, *, stride=1, pad=0):
    """Convolve x [c, h, w] with weight [o, c, k, k]."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    k = weight.shape[2]
    rows, columns = ((size - k) // stride + 1 for size in x.shape[1:])
    out = np.empty((len(weight), rows, columns))
    for i in range(rows):
        for j in range(columns):
            patch = x[:, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, i, j] = np.tensordot(weight, patch, axes=3) + bias
    return out


def pool(x):
    """Take the maximum of windows of 3, every second place; the last window may be cut off."""
    rows, columns = (-(-(size - 3) // 2) + 1 for size in x.shape[1:])
    out = np.empty((len(x), rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[:, i, j] = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(1, 2))
    return out


def relu(x):
    return np.maximum(x, 0.0)


def fire(x, weights, name):
    def layer(x, part, pad=0):
        weight, bias = (weights[f"{name}.{part}.{kind}"] for kind in ("weight", "bias"))
        return relu(conv(x, weight, bias, pad=pad))

    squeezed = layer(x, "squeeze1x1")
    return np.concatenate([layer(squeezed, "expand1x1"), layer(squeezed, "expand3x3", pad=1)])


def activations(rgb_u8, weights):
    """Return what follows conv1, fire3, fire5, fire6, fire7, fire8 and fire9, and the logits.

    Args:
        rgb_u8: Bytes [h, w, 3].
        weights: Name -> float64.
    """
    bgr = rgb_u8[..., ::-1].astype(np.float64) - (104.0, 117.0, 123.0)
    conv1 = relu(
        conv(bgr.transpose(2, 0, 1), weights["conv1.weight"], weights["conv1.bias"], stride=2)
    )
    fire3 = fire(fire(pool(conv1), weights, "fire2"), weights, "fire3")
    fire5 = fire(fire(pool(fire3), weights, "fire4"), weights, "fire5")
    fire6 = fire(pool(fire5), weights, "fire6")
    fire7 = fire(fire6, weights, "fire7")
    fire8 = fire(fire7, weights, "fire8")
    fire9 = fire(fire8, weights, "fire9")
    logits = relu(conv(fire9, weights["conv10.weight"], weights["conv10.bias"])).mean(axis=(1, 2))
    return [conv1, fire3, fire5, fire6, fire7, fire8, fire9], logits


def lpips_distance(a_u8, b_u8, weights, rows):
    """Return LPIPS of two pictures [h, w, 3]; `rows` has a weight for each channel of each tap."""
    total = 0.0
    taps = zip(activations(a_u8, weights)[0], activations(b_u8, weights)[0], rows, strict=True)
    for a, b, row in taps:
        place_sum = 0.0
        for i in range(a.shape[1]):
            for j in range(a.shape[2]):
                x, y = (v[:, i, j] / (np.linalg.norm(v[:, i, j]) + 1e-10) for v in (a, b))
                place_sum += (row * (x - y) ** 2).sum()
        total += place_sum / (a.shape[1] * a.shape[2])
    return total
