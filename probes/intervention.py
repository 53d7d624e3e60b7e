"""What an intervention edits: rows of attention heads, and what takes their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch

from audit.records import Stream

#: What takes the place of a head's attention row: the other text's row of the unedited pass; the mean of
#: both texts' rows; every visible token alike; nothing; or, for the head's output, a mean that is given.
Kind = Literal["exchange", "arms-mean", "uniform", "zero", "mean"]


class Place(NamedTuple):
    """A head and the query positions whose attention rows are edited."""

    layer: int
    head: int
    rows: tuple[int, ...]
    stream: Stream = "self"


@dataclass(frozen=True, slots=True)
class Intervention:
    """Heads that are edited together.

    Args:
        places: where; without any the copy stays unedited.
        kind: what takes the place of their rows.
        means: for ``mean``, place → ``[d]`` mean output of the head before the output projection.
    """

    places: tuple[Place, ...]
    kind: Kind = "exchange"
    means: dict[Place, torch.Tensor] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The layer below which nothing changes."""
        return min((place.layer for place in self.places), default=0)

    @property
    def start(self) -> int:
        """The first query position that is edited."""
        return min((row for place in self.places for row in place.rows), default=0)
