"""StyleGAN2's two networks and one training step as most programs write them: plain and slow.

Written from the papers (Karras et al. 2019, 2020): each sample convolves with weights of its own in
one grouped convolution, resampling stuffs zeros and filters them. Takes the parameters of
mocotool's networks; shares none of its arithmetic. Convolutions compute in float32 unless told
otherwise; weights, scores and pictures are float32 in any case.
"""

import contextlib
import math
from contextvars import ContextVar

import torch
import torch.nn.functional as F

# How a plain program filters: "native" as the fallback without CUDA that lies unused in the
# authors' program, "kind" as a program written for a CPU would.
RESAMPLING = ContextVar("RESAMPLING", default="native")


@contextlib.contextmanager
def resampling(form):
    """Filter in one of the two forms, "native" or "kind", inside the block."""
    token = RESAMPLING.set(form)
    try:
        yield
    finally:
        RESAMPLING.reset(token)


def upfirdn(x, *, up=1, down=1, pad=(0, 0), gain=1.0):
    """Stuff zeros, pad, filter with [1, 3, 3, 1], keep every `down`-th pixel of [n, c, h, w].

    The native form filters each channel as a picture of its own, which costs the CPU sixteen times
    the memory of the pixels, and all pixels, also those that it drops. The kind one is a single
    grouped convolution with a stride.
    """
    n, c, h, w = x.shape
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device) / 8.0
    kernel = (torch.outer(taps, taps) * gain).to(x.dtype)[None, None]
    x = x.reshape(n * c, 1, h, 1, w, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(n * c, 1, h * up, w * up)
    x = F.pad(x, (*pad, *pad))
    if RESAMPLING.get() == "native":
        return F.conv2d(x, kernel)[:, :, ::down, ::down].unflatten(0, (n, c)).squeeze(2)
    x = x.unflatten(0, (n, c)).squeeze(2)
    return F.conv2d(x, kernel.expand(c, 1, -1, -1), stride=down, groups=c)


def dense(x, layer, *, multiplier=1.0):
    """Equalised linear layer without activation."""
    gain = multiplier / math.sqrt(layer.weight.shape[1])
    return F.linear(x, layer.weight * gain, layer.bias * multiplier)


def lrelu(x):
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2.0)


def normalize(z):
    """Unit mean square."""
    return z / torch.sqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


def map_latents(mapping, z, *, multiplier=0.01):
    """z to w."""
    x = normalize(z)
    for i in range(mapping.num_layers):
        x = lrelu(dense(x, getattr(mapping, f"fc{i}"), multiplier=multiplier))
    return x


def modulated_convolution(x, weight, style, *, demodulate=True, up=False):
    """Give each sample its own weights and convolve all of them as groups."""
    n, c_in, h, w = x.shape
    c_out, _, k, _ = weight.shape
    weight = weight[None] * style[:, None, :, None, None]  # [n, c_out, c_in, k, k]
    if demodulate:
        weight = weight / torch.sqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    weight = weight.to(x.dtype)
    x = x.reshape(1, n * c_in, h, w)
    if up:
        weight = weight.transpose(1, 2).reshape(n * c_in, c_out, k, k)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)
        x = x.reshape(n, c_out, 2 * h + 1, 2 * w + 1)
        return upfirdn(x, pad=(1, 1), gain=4.0)
    x = F.conv2d(x, weight.reshape(n * c_out, c_in, k, k), padding=k // 2, groups=n)
    return x.reshape(n, c_out, h, w)


def synthesis_layer(layer, x, w, noise):
    """Modulated convolution, noise, bias, activation."""
    x = modulated_convolution(x, layer.weight, dense(w, layer.affine), up=layer.up)
    noise = (noise * layer.noise_strength).to(x.dtype)
    return lrelu(x + noise + layer.bias.to(x.dtype)[None, :, None, None])


def to_rgb(layer, x, w):
    """The image layer."""
    style = dense(w, layer.affine) / math.sqrt(x.shape[1])
    x = modulated_convolution(x, layer.weight, style, demodulate=False)
    return x.float() + layer.bias[None, :, None, None]


def synthesize(synthesis, ws, noise, *, dtype=torch.float32):
    """Render ws [n, num_ws, w_dim] with one noise map [n, 1, h, w] a layer ("skip" generators)."""
    maps = iter(noise)
    block = synthesis.b4
    x = block.const.to(dtype).expand(len(ws), -1, -1, -1)
    x = synthesis_layer(block.conv1, x, ws[:, 0], next(maps))
    img = to_rgb(block.torgb, x, ws[:, 1])
    for i, resolution in enumerate(synthesis.block_resolutions[1:]):
        block = getattr(synthesis, f"b{resolution}")
        x = synthesis_layer(block.conv0, x, ws[:, 2 * i + 1], next(maps))
        x = synthesis_layer(block.conv1, x, ws[:, 2 * i + 2], next(maps))
        img = upfirdn(img, up=2, pad=(2, 1), gain=4.0) + to_rgb(block.torgb, x, ws[:, 2 * i + 3])
    return img


def convolve(layer, x, *, down=False):
    """The discriminator's convolution, equalised; with a bias it ends in the activation."""
    k = layer.weight.shape[-1]
    weight = (layer.weight / math.sqrt(layer.weight[0].numel())).to(x.dtype)
    if down:
        x = upfirdn(x, pad=(k // 2 + 1, k // 2 + 1))
        x = F.conv2d(x, weight, stride=2)
    else:
        x = F.conv2d(x, weight, padding=k // 2)
    return x if layer.bias is None else lrelu(x + layer.bias.to(x.dtype)[None, :, None, None])


def append_deviation(x, *, group):
    """Minibatch standard deviation, one group after the other."""
    channels = []
    for part in x.split(group):
        deviation = torch.sqrt(part.float().var(dim=0, unbiased=False) + 1e-8).mean()
        channels.append(deviation.to(x.dtype).expand(len(part), 1, *x.shape[2:]))
    return torch.cat([x, torch.cat(channels)], dim=1)


def discriminate(discriminator, img, *, group=4, dtype=torch.float32):
    """Score img [n, 3, h, w]."""
    x = convolve(discriminator.fromrgb, img.to(dtype))
    for block in discriminator.blocks:
        deep = convolve(block.conv1, convolve(block.conv0, x), down=True)
        x = (deep + convolve(block.skip, x, down=True)) / math.sqrt(2.0)
    x = convolve(discriminator.conv, append_deviation(x, group=group))
    x = lrelu(dense(x.float().flatten(1), discriminator.fc))
    return dense(x, discriminator.out).squeeze(1)


class PlainTrainer:
    """Non-saturating loss, lazy R1, style mixing and averaging, without any care for speed."""

    def __init__(self, generator, discriminator, averaged, *, config, dtype=torch.float32):
        self.dtype = dtype  # of convolutions, but for the penalty's
        self.generator, self.discriminator = generator, discriminator
        self.averaged, self.config = averaged, config
        self.g_optimizer = torch.optim.Adam(
            generator.parameters(), config.learning_rate, betas=(0.0, 0.99)
        )
        self.d_optimizer = torch.optim.Adam(
            discriminator.parameters(), config.learning_rate, betas=(0.0, 0.99)
        )

    def render(self, n):
        """Draw and render n images."""
        generator = self.generator
        w = map_latents(generator.mapping, torch.randn(n, generator.z_dim))
        other = map_latents(generator.mapping, torch.randn(n, generator.z_dim))
        ws = w[:, None].repeat(1, generator.num_ws, 1)
        for i in range(n):
            if torch.rand([]) < self.config.style_mixing:
                cutoff = int(torch.randint(1, generator.num_ws, []))
                ws[i, cutoff:] = other[i]
        noise = [torch.randn(n, 1, *layer.size) for layer in generator.synthesis.layers()]
        return synthesize(generator.synthesis, ws, noise, dtype=self.dtype)

    def score(self, img):
        """Score img [n, 3, h, w]."""
        return discriminate(self.discriminator, img, dtype=self.dtype)

    def step(self, real, *, penalize):
        """Train both networks once on real [n, 3, h, w] in [-1, 1]."""
        config, n = self.config, len(real)
        fake = self.render(n).detach()
        loss = F.softplus(self.score(fake)).mean()
        loss = loss + F.softplus(-self.score(real)).mean()
        self.d_optimizer.zero_grad()
        loss.backward()
        self.d_optimizer.step()
        if penalize:
            real = real.clone().requires_grad_(True)
            score = discriminate(self.discriminator, real).sum()
            (slope,) = torch.autograd.grad(score, real, create_graph=True)
            penalty = slope.square().sum(dim=(1, 2, 3)).mean()
            self.d_optimizer.zero_grad()
            (penalty * (config.effective_r1_gamma / 2 * config.r1_interval)).backward()
            self.d_optimizer.step()
        loss = F.softplus(-self.score(self.render(n))).mean()
        self.g_optimizer.zero_grad()
        loss.backward()
        self.g_optimizer.step()
        beta = 0.5 ** (n / config.effective_ema_images)
        with torch.no_grad():
            for target, source in zip(
                self.averaged.parameters(), self.generator.parameters(), strict=True
            ):
                target.mul_(beta).add_(source, alpha=1 - beta)
