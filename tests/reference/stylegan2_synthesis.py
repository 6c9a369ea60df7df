"""StyleGAN2's synthesis, slow and obvious: per-sample weights, zero-stuffing, one sample at a time.

Written from the papers' equations (Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN", Sec. 2.2 and App. B) in float64 numpy; shares no code with mocotool.
"""

import math

import numpy as np


def correlate(x, kernel):
    """Valid cross-correlation of [c_in, h, w] with [c_out, c_in, k, k]."""
    size = kernel.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return np.einsum("ihwkl,oikl->ohw", windows, kernel)


def fir(x, taps, *, pad, up=1):
    """Stuff zeros, pad and filter each channel of [c, h, w] with the outer product of taps."""
    if up > 1:
        stuffed = np.zeros((x.shape[0], x.shape[1] * up, x.shape[2] * up))
        stuffed[:, ::up, ::up] = x
        x = stuffed
    x = np.pad(x, ((0, 0), pad, pad))
    kernel = np.outer(taps, taps)[::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape, axis=(1, 2))
    return np.einsum("chwkl,kl->chw", windows, kernel)


TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8.0


def upsample(x):
    """Double [c, h, w] with the low-pass filter."""
    return fir(x, TAPS * 2.0, pad=(2, 1), up=2)


def dense(x, weight, bias):
    """Equalised linear layer without activation."""
    return weight @ x / math.sqrt(weight.shape[1]) + bias


def leaky_relu(x):
    """Slope 0.2, gain sqrt(2)."""
    return np.where(x > 0, x, 0.2 * x) * math.sqrt(2.0)


def modulated_convolution(x, weight, style, *, demodulate, up=False):
    """Scale the weights, normalise them, convolve; when `up`, at twice the size and filtered."""
    weight = weight * style[None, :, None, None]
    if demodulate:
        weight = weight / np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    half = weight.shape[-1] // 2
    if not up:
        return correlate(np.pad(x, ((0, 0), (half, half), (half, half))), weight)
    stuffed = np.zeros((x.shape[0], 2 * x.shape[1] - 1, 2 * x.shape[2] - 1))
    stuffed[:, ::2, ::2] = x
    full = np.pad(stuffed, ((0, 0), (2, 2), (2, 2)))
    # A transposed convolution is a correlation of the stuffed picture with the flipped kernel.
    grown = correlate(full, weight[:, :, ::-1, ::-1])
    return fir(grown, TAPS * 2.0, pad=(1, 1))


class ReferenceSynthesis:
    """Renders one list of latents at a time from a state dict in ada's names."""

    def __init__(self, state, *, architecture, resolution, conv_clamp=None):
        self.state = {k: v.double().numpy() for k, v in state.items()}
        self.architecture = architecture
        self.resolution = resolution
        self.conv_clamp = conv_clamp

    def clamp(self, x, gain=1.0):
        """Limit activations."""
        limit = None if self.conv_clamp is None else self.conv_clamp * gain
        return x if limit is None else np.clip(x, -limit, limit)

    def layer(self, name, x, w, *, up, gain=1.0, has_noise=True):
        """One convolution with noise, bias and activation."""
        s = {key: self.state[f"{name}.{key}"] for key in ("weight", "bias", "noise_strength")}
        style = dense(w, self.state[f"{name}.affine.weight"], self.state[f"{name}.affine.bias"])
        x = modulated_convolution(x, s["weight"], style, demodulate=True, up=up)
        if has_noise:
            x = x + self.state[f"{name}.noise_const"] * s["noise_strength"]
        return self.clamp(leaky_relu(x + s["bias"][:, None, None]) * gain, gain)

    def to_rgb(self, name, x, w):
        """The image layer."""
        weight = self.state[f"{name}.weight"]
        style = dense(w, self.state[f"{name}.affine.weight"], self.state[f"{name}.affine.bias"])
        style = style / math.sqrt(weight.shape[1])
        y = modulated_convolution(x, weight, style, demodulate=False)
        return self.clamp(y + self.state[f"{name}.bias"][:, None, None])

    def render(self, ws, *, has_noise=True):
        """Render latents [num_ws, w_dim] as [c, h, w]."""
        ws = np.asarray(ws, dtype=np.float64)
        x = self.layer(
            "synthesis.b4.conv1", self.state["synthesis.b4.const"], ws[0], up=False,
            has_noise=has_noise,
        )  # fmt: skip
        img = None
        if self.architecture == "skip" or self.resolution == 4:
            img = self.to_rgb("synthesis.b4.torgb", x, ws[1])
        index, size = 1, 8
        while size <= self.resolution:
            block = f"synthesis.b{size}"
            gain = math.sqrt(0.5) if self.architecture == "resnet" else 1.0
            before = x
            x = self.layer(f"{block}.conv0", x, ws[index], up=True, has_noise=has_noise)
            x = self.layer(
                f"{block}.conv1", x, ws[index + 1], up=False, gain=gain, has_noise=has_noise
            )
            if self.architecture == "resnet":
                weight = self.state[f"{block}.skip.weight"]
                shortcut = correlate(before, weight / math.sqrt(weight.shape[1]))
                x = x + upsample(shortcut) * gain
            if img is not None:
                img = upsample(img)
            if self.architecture == "skip" or size == self.resolution:
                rgb = self.to_rgb(f"{block}.torgb", x, ws[index + 2])
                img = rgb if img is None else img + rgb
            index, size = index + 2, size * 2
        return img
