"""Layers of I3D as loops: slow, obvious, and padded by TensorFlow's own rule."""

import itertools

import numpy as np


def same_window(position, size, kernel, stride):
    """Return where a window of "SAME" padding starts: windows are centred, the odd pad is last."""
    num_out = -(-size // stride)
    total = max((num_out - 1) * stride + kernel - size, 0)
    return position * stride - total // 2


def iter_windows(shape, kernel, stride):
    """Yield (output position, input slices, kernel slices) for every output position."""
    out = [-(-size // s) for size, s in zip(shape, stride, strict=True)]
    for position in itertools.product(*map(range, out)):
        starts = [same_window(*args) for args in zip(position, shape, kernel, stride, strict=True)]
        inside, taps = [], []
        for start, size, k in zip(starts, shape, kernel, strict=True):
            low, high = max(start, 0), min(start + k, size)
            inside.append(slice(low, high))
            taps.append(slice(low - start, high - start))
        yield position, tuple(inside), tuple(taps)


def conv3d_same(x, weight, stride):
    """Convolve x [c_in, t, h, w] with weight [c_out, c_in, kt, kh, kw]."""
    out_shape = [-(-size // s) for size, s in zip(x.shape[1:], stride, strict=True)]
    out = np.zeros((len(weight), *out_shape))
    for position, inside, taps in iter_windows(x.shape[1:], weight.shape[2:], stride):
        patch = x[(slice(None), *inside)].astype(np.float64)
        kernel = weight[(slice(None), slice(None), *taps)].astype(np.float64)
        out[(slice(None), *position)] = (kernel * patch).sum(axis=(1, 2, 3, 4))
    return out


def max_pool3d_same(x, kernel, stride):
    """Take maxima of x [c, t, h, w]; what is padded never wins."""
    out_shape = [-(-size // s) for size, s in zip(x.shape[1:], stride, strict=True)]
    out = np.zeros((len(x), *out_shape))
    for position, inside, _ in iter_windows(x.shape[1:], kernel, stride):
        out[(slice(None), *position)] = x[(slice(None), *inside)].max(axis=(1, 2, 3))
    return out
