"""Negatives for the contrastive loss: embeddings of earlier batches, oldest out first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A ring of embeddings.

    It starts full of random directions, which count as negatives until they are replaced, as in
    MoCo and in the authors' program. Only whole batches are kept, as many as it has room for.

    Args:
        size: How many embeddings it has room for.
        embed_dim: Size of one.
        batch_size: How many come at once, over all processes.
        rng: Draws the random directions.
    """

    entries: Tensor
    next_idx: Tensor

    def __init__(
        self, size: int, embed_dim: int, *, batch_size: int, rng: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.num_negatives = size // batch_size * batch_size or size
        start = F.normalize(torch.randn(size, embed_dim, generator=rng), dim=1)
        self.register_buffer("entries", start)
        self.register_buffer("next_idx", torch.zeros((), dtype=torch.long))

    @property
    def negatives(self) -> Tensor:
        """The negatives, [q, embed_dim]: all entries but those that no whole batch ever fills.

        Source:
            Official code: models/D_img.py.
            Deviation: entries are unit vectors, since only their directions are ever used.
        """
        return self.entries[: self.num_negatives]

    @torch.no_grad()
    def push(self, embeddings: Tensor) -> None:
        """Replace the oldest entries with `embeddings` [n, embed_dim]."""
        size = self.num_negatives
        embeddings = F.normalize(embeddings.to(torch.float32), dim=1)[-size:]
        places = (torch.arange(len(embeddings), device=self.entries.device) + self.next_idx) % size
        self.entries[places] = embeddings
        self.next_idx.add_(len(embeddings)).remainder_(size)
