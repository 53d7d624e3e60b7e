"""What is planted into a model of which the truth shall be known."""

from __future__ import annotations

from dataclasses import dataclass

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
