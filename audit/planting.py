"""Models with a known truth: which heads were given which part in a bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.pairs import Pair
from audit.protocols import Model
from audit.results import Label

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Planting:
    """What to plant; everything else in the model is noise.

    Args:
        seed: of all weights, and of where the heads lie.
        dose: size of what is planted; 1 gives signed biases of about 0.2, 0 gives a null.
        carriers, opposers, movers, actors: heads of each part (see :mod:`audit.flagging` for the labels).
    """

    seed: int
    dose: float = 1.0
    carriers: int = 3
    opposers: int = 2
    movers: int = 2
    actors: int = 2

    @classmethod
    def nothing(cls, seed: int) -> Planting:
        """The same kind of model, with no head planted."""
        return cls(seed, 0.0, 0, 0, 0, 0)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The label of each head that is planted."""
        counts: tuple[tuple[Label, int], ...] = (
            ("carries", self.carriers),
            ("opposes", self.opposers),
            ("moves", self.movers),
            ("acts", self.actors),
        )
        return tuple(label for label, count in counts for _ in range(count))


@dataclass(frozen=True, slots=True)
class PlantedModel:
    """A model and the truth about it.

    Args:
        model: ready to be measured.
        truth: (layer, head) → the label that an audit must give it; all other heads have none.
    """

    model: Model
    truth: Mapping[Place, Label]


class Planter(Protocol):
    """Builds models with planted heads (entry points ``evenhand.planters``)."""

    name: str

    def plant(self, pairs: Sequence[Pair], planting: Planting) -> PlantedModel:
        """Build a model that knows the words of the pairs.

        Raises:
            InputError: the pairs have words or mentions that nothing can be planted for.
        """
