"""The game against the single-frame D_I, which also learns to tell one video's frames from others'.

It compares later generated frames with first ones, which the image generator made without any
motion, so that motion stays on the image generator's own ground.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mocotool.motion.augment import augment
from mocotool.motion.context import TrainingContext
from mocotool.motion.games import Metrics, frozen, measure_accuracy
from mocotool.motion.image_discriminator import (
    ImageDiscriminator,
    ImageJudgement,
    copy_frozen,
    update_average,
)
from mocotool.motion.losses import (
    adversarial_loss,
    contrastive_loss,
    feature_matching_loss,
)
from mocotool.motion.memory_bank import MemoryBank
from mocotool.training.optimizers import build_adam, build_scaler, restore_scaler, take_step

# Which embeddings are kept for each source of positive pairs.
BANKS = {"generated": ("first", "later"), "frames": ("later",), "videos": ("real",)}


class FrameGame:
    """D_I of single frames, its averaged copy and its memory bank.

    Args:
        context: What all games share.
    """

    def __init__(self, context: TrainingContext) -> None:
        self.context = context
        self.config = config = context.config
        self.network = ImageDiscriminator(
            config.frame_size,
            width=config.image_width,
            embed_dim=config.embed_dim,
            head=config.head,
        )
        self.network.to(context.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = build_adam(
            self.network,
            lr=config.learning_rate,
            beta1=config.image_beta1,
            eps=config.image_eps,
        )
        self.scaler = build_scaler(context.precision, context.device)

        # What L_contr compares with: the averaged network's features of earlier frames
        self.average = copy_frozen(self.network) if config.has_contrastive else None
        names = BANKS[config.contrastive] if config.has_contrastive else ()
        self.banks = nn.ModuleDict(
            {
                name: MemoryBank(
                    config.bank_size,
                    config.embed_dim,
                    batch_size=config.batch_size,
                    rng=context.rng("memory bank", name),
                )
                for name in names
            }
        ).to(context.device)
        self.real = torch.empty(0)

    def begin(self, real: Tensor) -> None:
        """Set the real clips [n, t, c, h, w] of this step."""
        self.real = real

    def judge(
        self, img: Tensor, network: nn.Module | None = None, *, num_passes: int = 1
    ) -> ImageJudgement:
        """Judge images [n, 3, h, w] with D_I, or with its averaged copy."""
        img = img.to(self.context.precision).contiguous(memory_format=torch.channels_last)
        judgement: ImageJudgement = (network or self.network)(img, num_passes)
        return judgement

    def augment_view(self, img: Tensor, *path: int | str) -> Tensor:
        """Return a view of each image [n, 3, h, w]: changed at random, each in its own way."""
        return augment(img, self.context.augmentation(img.shape[-1], *path))

    def generator_losses(self, fake: Tensor, *path: int | str) -> Metrics:
        """Return {"image": loss} for clips [n, t, c, h, w], and "feature" if features are matched.

        Source:
            Deviation: no gradient goes into the first frame, which no weight of the motion
                generator moves; the program computes it.
        """
        with frozen(self.network):
            if self.config.feature_frames == "all":
                return self._losses_of_all_frames(fake)
            return self._losses_of_one_frame(fake, *path)

    def _losses_of_all_frames(self, fake: Tensor) -> Metrics:
        n, t = fake.shape[:2]
        later = self.judge(fake[:, 1:].flatten(0, 1))
        losses = {"image": self._adversarial([], [later.scores], for_generator=True)}
        if self.config.has_feature_matching:
            with torch.no_grad():
                first = self.judge(fake[:, 0]).features
            features = later.features.unflatten(0, (n, t - 1))  # [n, t-1, d]
            losses["feature"] = feature_matching_loss(first=first, later=features)
        return losses

    def _losses_of_one_frame(self, fake: Tensor, *path: int | str) -> Metrics:
        frame_idx = self.context.later_frame("frame", *path)
        later_view = self.augment_view(fake[:, frame_idx], "later", *path)
        with torch.no_grad():
            first_view = self.augment_view(fake[:, 0], "first", *path)

        # One call for both, because reading the weights takes longer than one more picture.
        views = [later_view, first_view] if self.config.has_feature_matching else [later_view]
        judged = self.judge(torch.cat(views), num_passes=len(views))
        later_scores, *_ = judged.scores.chunk(len(views))
        losses = {"image": self._adversarial([], [later_scores], for_generator=True)}
        if self.config.has_feature_matching:
            later_features, first_features = judged.embedding.chunk(2)  # [n, d] each
            losses["feature"] = feature_matching_loss(
                first=first_features.detach(), later=later_features[:, None]
            )
        if self.config.bank_on_g_steps:
            self._push({"first": first_view, "later": later_view.detach()})
        return losses

    def update(self, fake: Tensor, *path: int | str) -> Metrics:
        """Train on clips [n, t, c, h, w]; return losses, accuracies and gradient norm."""
        frame_idx = self.context.later_frame("frame", *path)
        first, later = fake[:, 0], fake[:, frame_idx]
        pairs = self._draw_pairs(first, later, *path)
        images = {
            (name, view): img
            for name, pair in pairs.items()
            for view, img in zip(("a", "b"), pair, strict=True)
        }

        # The game is over one view of each frame. It is the first of a pair where both frames have
        # pairs; the second view enters the contrast alone.
        played = "a"
        if self.config.augment == "paper":
            played = "unchanged"
            images |= {("first", played): first, ("later", played): later}
        elif not {"first", "later"} <= pairs.keys():
            played = "single"
            images["first", played] = self.augment_view(first, "first", *path)
            images["later", played] = self.augment_view(later, "later", *path)

        # One call for everything: [g*n, 3, h, w]
        judged = self.judge(torch.cat(list(images.values())), num_passes=len(images))
        scores = dict(zip(images, judged.scores.chunk(len(images)), strict=True))
        embeddings = dict(zip(images, judged.embedding.chunk(len(images)), strict=True))

        real_scores, fake_scores = [scores["first", played]], [scores["later", played]]
        loss = self._adversarial(real_scores, fake_scores, for_generator=False)
        values = {"d_image": loss.detach()}
        if pairs:
            contrasts = [
                self._contrast(name, a=embeddings[name, "a"], b=embeddings[name, "b"])
                for name in pairs
            ]
            contrast = torch.stack(contrasts).sum()
            values["contrastive"] = contrast.detach()
            loss = loss + self.config.contrastive_weight * contrast
        self.scaler.scale(loss).backward()

        values |= measure_accuracy(
            real_scores,
            fake_scores,
            form=self.config.image_loss,
            processes=self.context.processes,
            name="d_image",
        )
        values["d_image_grad"] = take_step(
            self.network, self.optimizer, self.scaler, self.context.processes
        )
        if self.average is not None:
            update_average(self.average, self.network, decay=self.config.momentum)
            if not self.config.bank_on_g_steps:
                self._push({name: pair[0] for name, pair in pairs.items()})
        return values

    def _draw_pairs(
        self, first: Tensor, later: Tensor, *path: int | str
    ) -> dict[str, list[Tensor]]:
        """Return two views of each source of positive pairs, none without a contrastive loss."""
        sources: dict[str, list[Tensor]] = {}
        if not self.config.has_contrastive:
            return sources
        if self.config.contrastive == "generated":
            sources["first"] = [first, first]
        if self.config.contrastive == "videos":
            order = torch.randperm(self.config.num_frames, generator=self.context.rng("two", *path))
            sources["real"] = [self.real[:, int(idx)] for idx in order[:2]]
        else:
            sources["later"] = [later, later]
        return {
            name: [self.augment_view(img, name, view, *path) for view, img in enumerate(pair)]
            for name, pair in sources.items()
        }

    def _contrast(self, name: str, *, a: Tensor, b: Tensor) -> Tensor:
        """Return the contrastive loss of two groups of embeddings [n, d] of the source `name`."""
        bank = self.banks[name]
        assert isinstance(bank, MemoryBank)
        return contrastive_loss(
            a=a,
            b=b,
            negatives=bank.negatives,
            temperature=self.config.temperature,
            denominator=self.config.denominator,
            processes=self.context.processes,
        )

    @torch.no_grad()
    def _push(self, views: dict[str, Tensor]) -> None:
        """Put what the averaged copy makes of `views` into the memory bank."""
        names = [name for name in views if name in self.banks]
        if not names:
            return
        assert isinstance(self.average, ImageDiscriminator)
        pictures = torch.cat([views[name] for name in names])
        judged = self.judge(pictures, self.average, num_passes=len(names))
        for name, embedding in zip(names, judged.embedding.chunk(len(names)), strict=True):
            bank = self.banks[name]
            assert isinstance(bank, MemoryBank)
            bank.push(self.context.processes.gather(embedding))

    def _adversarial(
        self, real: list[Tensor], fake: list[Tensor], *, for_generator: bool
    ) -> Tensor:
        return adversarial_loss(
            real=real,
            fake=fake,
            form=self.config.image_loss,
            for_generator=for_generator,
            processes=self.context.processes,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "banks": self.banks.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_scaler(self.scaler, state.get("scaler"))
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.banks.load_state_dict(state["banks"])
