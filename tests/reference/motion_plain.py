"""One iteration of motion training as the authors' program runs it: plain and slow.

Written from the paper and from facts about their program, not from its lines. All frames of all
clips are rendered at full resolution in one graph, with grouped convolutions; the discriminators'
step builds that graph too; their weights gather gradients that nobody uses while the motion
generator learns; every pass over single frames refines the spectral norm; pictures are changed one
by one. Convolutions compute in the trainer's precision. In float32 it takes the steps that golden
files of their program hold (`tests/motion/test_official_steps.py`).

Takes the networks, settings and random draws of a `MotionTrainer` (its reference recipe); shares
none of its arithmetic.
"""

import torch
import torch.nn.functional as F
from reference.stylegan2_plain import map_latents, synthesize
from torch import nn

from mocotool.training.randomness import derive_seed


def walk(motion, latent, noise):
    """Return the trajectory [n, t, d] and the guessed noise [n, t-1, noise_dim]."""
    hidden, cell = motion.encoder(latent)
    trajectory, guesses = [latent], []
    rows = torch.diag(motion.stdev) @ motion.components
    for t in range(noise.shape[1]):
        hidden, cell = motion.decoder(noise[:, t], (hidden, cell))
        coeffs = torch.tanh(hidden @ motion.coefficient_weight + motion.coefficient_bias)
        trajectory.append(trajectory[-1] + motion.step_size * coeffs @ rows)
        guesses.append(motion.noise_head(torch.cat([hidden, cell], dim=1)))
    return torch.stack(trajectory, dim=1), torch.stack(guesses, dim=1)


def score_patches(network, x, dtype=torch.float32):
    """Score [n, c, (t,) h, w] at every scale."""
    scores = []
    for i, scale in enumerate(network.scales):
        if i and x.ndim == 5:
            stride = (1 if x.shape[2] <= 16 else 2, 2, 2)
            x = F.avg_pool3d(x, 3, stride=stride, padding=1, count_include_pad=False)
        elif i:
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        y = x.to(dtype)
        for layer in scale.layers:
            if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
                convolve = F.conv3d if y.ndim == 5 else F.conv2d
                weight, bias = layer.weight.to(dtype), layer.bias.to(dtype)
                y = convolve(y, weight, bias, stride=layer.stride, padding=2)
            elif isinstance(layer, nn.LeakyReLU):
                y = F.leaky_relu(y, 0.2)
            else:
                y = F.instance_norm(y)
        scores.append(y.float())
    return scores


def ralsgan(above, below, target):
    """Relativistic average least squares, added up over scales."""
    return sum(((a - b.mean() - target) ** 2).mean() for a, b in zip(above, below, strict=True))


def play(above, below):
    """Both halves of the relativistic game."""
    return 0.5 * (ralsgan(above, below, 1.0) + ralsgan(below, above, 0.0))


def spectral(layer):
    """Refine a layer's singular vector once and return its normalised weight."""
    matrix = layer.weight.flatten(1)
    with torch.no_grad():
        v = F.normalize(matrix.t() @ layer.u, dim=0, eps=1e-12)
        layer.u.copy_(F.normalize(matrix @ v, dim=0, eps=1e-12))
    return layer.weight / torch.dot(layer.u.clone(), matrix @ v)


def convolve_spectral(layer, x):
    weight, bias = spectral(layer).to(x.dtype), layer.bias.to(x.dtype)
    return F.conv2d(x, weight, bias, padding=layer.kernel_size[0] // 2)


def judge_frames(network, img, dtype=torch.float32):
    """Return the scores [n] and embeddings [n, d] of single frames."""
    x = img.to(dtype)
    for block in network.blocks:
        y = convolve_spectral(block.conv1, x if block.is_first else F.relu(x))
        y = convolve_spectral(block.conv2, F.relu(y))
        if block.downsample:
            y = F.avg_pool2d(y, 2)
        if block.is_first:
            x = F.avg_pool2d(x, 2) if block.downsample else x
            x = convolve_spectral(block.shortcut, x)
        elif block.shortcut is not None:
            x = convolve_spectral(block.shortcut, x)
            x = F.avg_pool2d(x, 2) if block.downsample else x
        x = x + y
    x = F.relu(x).float().sum(dim=(2, 3))
    x = F.relu(F.linear(x, spectral(network.proj0), network.proj0.bias))
    scores = F.linear(x, spectral(network.linear), network.linear.bias)[:, 0]
    x = F.relu(F.linear(x, spectral(network.proj1), network.proj1.bias))
    return scores, F.linear(x, spectral(network.proj2), network.proj2.bias)


def change_one(img, augmentation, i):
    """Change one picture [c, h, w]."""
    top, bottom, left, right = augmentation.cutout[i].tolist()
    mask = torch.ones_like(img)
    mask[:, top:bottom, left:right] = 0
    img = img * mask
    if augmentation.flip[i]:
        img = img.flip(-1)
    img = img + augmentation.shift[i][:, None, None]
    if augmentation.is_affine[i]:
        grid = F.affine_grid(augmentation.theta[i : i + 1], [1, *img.shape], align_corners=False)
        img = F.grid_sample(img[None], grid, padding_mode="reflection", align_corners=False)[0]
    return img


def contrast(a, b, queue, temperature):
    """InfoNCE over the other view, the other videos and the queue."""
    n = len(a)
    rows, columns = torch.cat([a, b]), torch.cat([a, b, queue])
    logits = F.cosine_similarity(rows[:, None], columns[None], dim=2) / temperature
    mask = torch.ones_like(logits)
    partners = []
    for i in range(2 * n):
        mask[i, i] = 0  # its own logit counts as zero and stays in the sum
        partners.append((i + n) % (2 * n))
    return F.cross_entropy(logits * mask, torch.tensor(partners))


class PlainMotionTrainer:
    """The reference recipe on the networks of `trainer`, which is not to train any more itself."""

    def __init__(self, trainer):
        self.config, self.context, self.renderer = trainer.config, trainer.context, trainer.renderer
        self.dtype = trainer.context.precision
        self.generator, self.motion = trainer.generator, trainer.motion
        video, image = trainer.games["video"], trainer.games["image"]
        for network in (video.network, image.network):
            network.to(memory_format=torch.contiguous_format)
        self.video_disc, self.image_disc = video.network, image.network
        config = self.config
        rate = config.learning_rate
        self.optimizer = torch.optim.Adam(self.motion.parameters(), rate, betas=(0.5, 0.999))
        self.video_optimizer = torch.optim.Adam(
            self.video_disc.parameters(), rate, betas=(0.5, 0.999)
        )
        self.image_optimizer = torch.optim.Adam(
            self.image_disc.parameters(),
            rate,
            betas=(config.image_beta1, 0.999),
            eps=config.image_eps,
        )
        if config.cross_domain:
            self.average = image.average.to(memory_format=torch.contiguous_format)
            self.queues = {name: bank.entries.clone() for name, bank in image.banks.items()}
            self.queue_idx = 0
        self.step_idx = 0

    def step(self, real):
        """Take one iteration on real clips [n, t, 3, h, w] in [-1, 1]; return the last losses."""
        for g_step in range(self.config.num_g_steps):
            values = self.generator_step(real, g_step)
        values |= self.discriminator_step(real)
        self.step_idx += 1
        return {name: float(value) for name, value in values.items()}

    def generate(self, path):
        """Return frames [n, t, c, size, size], the guessed noise and the noise."""
        config, n, t = self.config, self.config.batch_size, self.config.num_frames
        rng = self.context.rng("clips", *path)
        z = torch.randn(n, self.generator.z_dim, generator=rng)
        noise = torch.randn(n, t - 1, config.noise_dim, generator=rng)
        maps = self.renderer.draw_noise(
            [derive_seed(config.seed, "pixel noise", *path, row) for row in range(n)]
        )
        latent = map_latents(self.generator.mapping, z)
        trajectory, guess = walk(self.motion, latent, noise)
        ws = trajectory.flatten(0, 1)[:, None].repeat(1, self.generator.num_ws, 1)
        maps = [one.repeat_interleave(t, dim=0) for one in maps]
        img = synthesize(self.generator.synthesis, ws, maps, dtype=self.dtype)
        img = F.avg_pool2d(img, img.shape[-1] // config.frame_size)
        return img.unflatten(0, (n, t)), guess, noise

    def score(self, network, x):
        return score_patches(network, x, self.dtype)

    def judge(self, network, img):
        return judge_frames(network, img, self.dtype)

    def video_input(self, video, *path):
        """Lay clips out for D_V, backwards on one side of a coin."""
        x = video.transpose(1, 2)  # [n, c, t, h, w]
        if not self.config.cross_domain:
            x = torch.cat([x[:, :, :1].repeat(1, 1, x.shape[2] - 1, 1, 1), x[:, :, 1:]], dim=1)
        return x.flip(2) if path and self.context.coin("reverse", *path) else x

    def augment_view(self, img, *path):
        """Change each picture [n, c, h, w] at random, one after the other."""
        augmentation = self.context.augmentation(img.shape[-1], *path)
        return torch.stack([change_one(img[i], augmentation, i) for i in range(len(img))])

    def generator_step(self, real, g_step):
        """Move the motion generator once."""
        path = ("g", self.step_idx, g_step)
        fake, guess, noise = self.generate(path)
        real_scores = self.score(self.video_disc, self.video_input(real, "real", *path))
        fake_scores = self.score(self.video_disc, self.video_input(fake, "fake", *path))
        values = {
            "g_video": play(fake_scores, real_scores),
            "g_mutual_info": -F.cosine_similarity(guess, noise, dim=2).mean(),
        }
        frame_idx = self.context.later_frame("frame", *path)
        if self.config.cross_domain:
            values |= self.generator_frame_losses(fake, frame_idx, path)
        else:
            values["g_image"] = play(
                self.score(self.image_disc, torch.cat([fake[:, 0], fake[:, frame_idx]], 1)),
                self.score(self.image_disc, torch.cat([real[:, 0], real[:, frame_idx]], 1)),
            )
        feature = values.get("g_feature", torch.zeros([]))
        loss = values["g_video"] + values["g_image"] + values["g_mutual_info"]
        loss = loss + self.config.feature_weight * feature
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {name: value.detach() for name, value in values.items()}

    def generator_frame_losses(self, fake, frame_idx, path):
        """Judge a later frame beside the first, and put both into the queues."""
        first = self.augment_view(fake[:, 0], "first", *path)
        later = self.augment_view(fake[:, frame_idx], "later", *path)
        with torch.no_grad():
            averaged = [self.judge(self.average, img)[1] for img in (first, later)]
            self.enqueue(*averaged)
        scores, embedding = self.judge(self.image_disc, later)
        _, first_embedding = self.judge(self.image_disc, first)
        likeness = F.cosine_similarity(embedding, first_embedding, dim=1)
        return {"g_image": -scores.mean(), "g_feature": -likeness.mean()}

    def enqueue(self, first, later):
        """Overwrite the oldest entries of both queues."""
        n, size = len(first), len(self.queues["first"])
        self.queues["first"][self.queue_idx : self.queue_idx + n] = first
        self.queues["later"][self.queue_idx : self.queue_idx + n] = later
        self.queue_idx = (self.queue_idx + n) % (size // n * n)

    def discriminator_step(self, real):
        """Let both discriminators learn; the frames' graph lives until the end."""
        path = ("d", self.step_idx)
        fake, _, _ = self.generate(path)
        values = self.update_video_disc(real, fake.detach(), path)
        frame_idx = self.context.later_frame("frame", *path)
        values |= self.update_image_disc(real, fake.detach(), frame_idx, path)
        return values

    def update_video_disc(self, real, fake, path):
        real_scores = self.score(self.video_disc, self.video_input(real, "real", *path))
        fake_scores = self.score(self.video_disc, self.video_input(fake, "fake", *path))
        loss = play(real_scores, fake_scores)
        penalty = self.penalise(real, fake, path)
        self.video_optimizer.zero_grad()
        (loss + self.config.penalty_weight * penalty).backward(retain_graph=True)
        self.video_optimizer.step()
        return {"d_video": loss.detach(), "penalty": penalty.detach()}

    def penalise(self, real, fake, path):
        """Hold the slope at one for every pixel, over channels alone."""
        mix = self.context.mixture(*path)[:, None, None, None, None]
        video = self.video_input(real) * (1 - mix) + self.video_input(fake) * mix
        video.requires_grad_(True)
        scores = self.score(self.video_disc, video)
        total = 0.0
        for score in scores:
            (slope,) = torch.autograd.grad(score.sum(), video, create_graph=True)
            total = total + ((slope.square().sum(dim=1) + 1e-12).sqrt() - 1).square().mean()
        return total / len(scores)

    def update_image_disc(self, real, fake, frame_idx, path):
        if self.config.cross_domain:
            return self.update_frame_disc(fake, frame_idx, path)
        loss = play(
            self.score(self.image_disc, torch.cat([real[:, 0], real[:, frame_idx]], 1)),
            self.score(self.image_disc, torch.cat([fake[:, 0], fake[:, frame_idx]], 1)),
        )
        self.image_optimizer.zero_grad()
        loss.backward(retain_graph=True)
        self.image_optimizer.step()
        return {"d_image": loss.detach()}

    def update_frame_disc(self, fake, frame_idx, path):
        """Hinge loss on one view of both frames, two views' contrast, then the moving average."""
        scores, contrasts = {}, []
        for name, img in (("first", fake[:, 0]), ("later", fake[:, frame_idx])):
            judged = [
                self.judge(self.image_disc, self.augment_view(img, name, view, *path))
                for view in range(2)
            ]
            scores[name] = judged[0][0]
            size = len(self.queues[name]) // len(fake) * len(fake)  # whole batches
            queue, temperature = self.queues[name][:size], self.config.temperature
            contrasts.append(contrast(judged[0][1], judged[1][1], queue, temperature))
        loss = F.relu(1 - scores["first"]).mean() + F.relu(1 + scores["later"]).mean()
        contrastive = sum(contrasts)
        self.image_optimizer.zero_grad()
        (loss + self.config.contrastive_weight * contrastive).backward(retain_graph=True)
        self.image_optimizer.step()
        with torch.no_grad():
            momentum = self.config.momentum
            for slow, quick in zip(
                self.average.parameters(), self.image_disc.parameters(), strict=True
            ):
                slow.copy_(momentum * slow + (1 - momentum) * quick)
        return {"d_image": loss.detach(), "contrastive": contrastive.detach()}
