"""Texts of unequal length in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def pad_right(
    sequences: Sequence[Sequence[int]], device: torch.device, pad: int = 0
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids ``[texts, longest]`` and their mask; no mask where nothing had to be padded."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in sequences], device=device)
    if min(map(len, sequences)) == longest:
        return ids, None
    lengths = torch.tensor([[len(row)] for row in sequences], device=device)
    return ids, (torch.arange(longest, device=device) < lengths).long()


def pad_types(types: Sequence[tuple[int, ...]], ids: torch.Tensor) -> torch.Tensor | None:
    """Token types like ``ids``, 0 where a text has none; None where no text has any."""
    if not any(types):
        return None
    return torch.tensor([[*row, *[0] * (ids.shape[1] - len(row))] for row in types], device=ids.device)
