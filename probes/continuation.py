"""Tokens that are scored after others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens that are scored after others.

    Args:
        context: the tokens before; at least one.
        tokens: the tokens that are scored.
    """

    context: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """What the model reads: all but the last token, after which nothing is predicted."""
        return (*self.context, *self.tokens)[:-1]

    @property
    def targets(self) -> tuple[tuple[int, int], ...]:
        """``(position, token)`` of every predicted token."""
        return tuple((len(self.context) - 1 + step, token) for step, token in enumerate(self.tokens))
