"""StyleGAN3's synthesis, slow and obvious, in float64 numpy and one sample at a time.

Written from the paper (Karras et al., "Alias-Free Generative Adversarial Networks", Sec. 3 and
App. C) with the constants of NVIDIA's configurations; shares no code with mocotool. Filters are
designed here and laid into the state dict under test, so that both compute with the same ones.
"""

import math

import numpy as np
import scipy.signal
import scipy.special


def plan(resolution, *, num_layers, num_critical, base, most, margin=10):
    """Return, for each layer and the image layer: cutoff, half width, rate, size, channels."""
    first_cutoff, first_stop = 2.0, 2.0**2.1
    last_cutoff = resolution / 2
    last_stop = last_cutoff * 2.0**0.3
    rows = []
    for i in range(num_layers + 1):
        place = min(i / (num_layers - num_critical), 1.0)
        cutoff = first_cutoff ** (1 - place) * last_cutoff**place
        stop = first_stop ** (1 - place) * last_stop**place
        rate = 1
        while rate < min(2 * stop, resolution) - 1e-9:
            rate *= 2
        rows.append(
            {
                "cutoff": cutoff,
                "half_width": max(stop, rate / 2) - cutoff,
                "rate": rate,
                "size": resolution if i >= num_layers - 1 else rate + 2 * margin,
                "channels": round(min(base / 2 / cutoff, most)),
            }
        )
    rows[-1]["channels"] = 3
    return rows


def design_filter(taps, *, cutoff, width, rate, is_radial):
    """A Kaiser-windowed low-pass filter, separable [taps] or radial [taps, taps]."""
    if taps == 1:
        return None
    if not is_radial:
        return scipy.signal.firwin(taps, cutoff, width=width, fs=rate)
    position = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(position[:, None], position[None, :])
    ideal = scipy.special.j1(2 * math.pi * cutoff * radius) / (math.pi * radius)
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, width / (rate / 2)))
    window = np.kaiser(taps, beta)
    kernel = ideal * window[:, None] * window[None, :]
    return kernel / kernel.sum()


def convolve_rows(x, taps):
    """Full convolution of the last axis with taps."""
    return np.apply_along_axis(lambda row: np.convolve(row, taps), -1, x)


def filter_planes(x, kernel):
    """Valid convolution of [c, h, w] with [k] (both axes) or [k, k]."""
    if kernel is None:
        return x
    full = np.outer(kernel, kernel) if kernel.ndim == 1 else kernel
    return np.stack([scipy.signal.convolve2d(plane, full, mode="valid") for plane in x])


def stuff(x, factor):
    """Put factor - 1 zeros behind every sample of [c, h, w], on both axes."""
    out = np.zeros((x.shape[0], x.shape[1] * factor, x.shape[2] * factor))
    out[:, ::factor, ::factor] = x
    return out


def pad_or_crop(x, before, after):
    """Pad both spatial axes with zeros; negative counts crop."""
    x = np.pad(x, ((0, 0), *[(max(before, 0), max(after, 0))] * 2))
    start, stop = max(-before, 0), x.shape[1] - max(-after, 0)
    return x[:, start:stop, start:stop]


class ReferenceSynthesis3:
    """Renders latents from a state dict in stylegan3's names."""

    def __init__(
        self, state, *, resolution, num_layers, num_critical, base, most, kernel, is_radial,
        filter_size=6, clamp=256.0,
    ):  # fmt: skip
        self.state = {k: v.double().numpy() for k, v in state.items()}
        self.rows = plan(
            resolution, num_layers=num_layers, num_critical=num_critical, base=base, most=most
        )
        self.num_layers, self.num_critical = num_layers, num_critical
        self.kernel, self.is_radial = kernel, is_radial
        self.filter_size, self.clamp = filter_size, clamp

    def sides(self, i):
        """Return a layer's rows before and after, its name, and its up and down factors."""
        before, after = self.rows[max(i - 1, 0)], self.rows[i]
        name = f"synthesis.L{i}_{after['size']}_{after['channels']}"
        inner = max(before["rate"], after["rate"]) * (1 if i == self.num_layers else 2)
        return before, after, name, inner // before["rate"], inner // after["rate"], inner

    def filters(self, i):
        """Design a layer's two filters."""
        before, after, _, up, down, inner = self.sides(i)
        if i == self.num_layers:
            return None, None
        radial = self.is_radial and i < self.num_layers - self.num_critical
        return tuple(
            design_filter(
                self.filter_size * factor if factor > 1 else 1,
                cutoff=row["cutoff"],
                width=2 * row["half_width"],
                rate=inner,
                is_radial=flag,
            )
            for factor, row, flag in ((up, before, False), (down, after, radial))
        )

    def fourier(self, w):
        """The input layer."""
        s = {k.removeprefix("synthesis.input."): v for k, v in self.state.items() if ".input." in k}
        t = s["affine.weight"] @ w / math.sqrt(len(w)) + s["affine.bias"]
        cos, sin, dx, dy = t / math.hypot(t[0], t[1])
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        move = np.array([[1, 0, -dx], [0, 1, -dy], [0, 0, 1]])
        total = turn @ move @ s["transform"]
        row = self.rows[0]
        size, rate, band = row["size"], row["rate"], row["cutoff"]
        waves = np.zeros((len(s["phases"]), size, size))
        for c, (freq, phase) in enumerate(zip(s["freqs"], s["phases"], strict=True)):
            moved = freq @ total[:2, :2]
            amplitude = np.clip(1 - (np.hypot(*moved) - band) / (rate / 2 - band), 0, 1)
            for y in range(size):
                for x in range(size):
                    place = np.array([x + 0.5 - size / 2, y + 0.5 - size / 2]) / rate
                    angle = place @ moved + phase + freq @ total[:2, 2]
                    waves[c, y, x] = math.sin(2 * math.pi * angle) * amplitude
        return np.einsum("oc,chw->ohw", s["weight"] / math.sqrt(len(s["weight"])), waves)

    def layer(self, i, x, w):
        """One layer."""
        before, after, name, up, down, _ = self.sides(i)
        is_last = i == self.num_layers
        s = {k.removeprefix(f"{name}."): v for k, v in self.state.items() if k.startswith(name)}
        style = s["affine.weight"] @ w / math.sqrt(len(w)) + s["affine.bias"]
        weight = s["weight"]
        if is_last:
            weight = weight * style[None, :, None, None] / math.sqrt(weight[0].size)
        else:
            weight = weight / np.sqrt((weight**2).mean(axis=(1, 2, 3), keepdims=True))
            weight = weight * (style / np.sqrt((style**2).mean()))[None, :, None, None]
            weight = weight / np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
        weight = weight / np.sqrt(s["magnitude_ema"])
        size = weight.shape[-1]
        x = np.pad(x, ((0, 0), (size - 1, size - 1), (size - 1, size - 1)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
        x = np.einsum("ihwkl,oikl->ohw", windows, weight) + s["bias"][:, None, None]
        up_filter, down_filter = self.filters(i)
        taps = [1 if f is None else len(f) for f in (up_filter, down_filter)]
        total = (after["size"] - 1) * down + 1 - (before["size"] + size - 1) * up + sum(taps) - 2
        first = (total + up) // 2
        x = pad_or_crop(stuff(x, up), first, total - first)
        x = filter_planes(x, up_filter) * up**2
        if not is_last:
            x = np.where(x > 0, x, 0.2 * x) * math.sqrt(2.0)
        x = np.clip(x, -self.clamp, self.clamp)
        return filter_planes(x, down_filter)[:, ::down, ::down]

    def render(self, ws):
        """Render latents [num_ws, w_dim] as [c, h, w]."""
        ws = np.asarray(ws, dtype=np.float64)
        x = self.fourier(ws[0])
        for i in range(self.num_layers + 1):
            x = self.layer(i, x, ws[i + 1])
        return x * 0.25
