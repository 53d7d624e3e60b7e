"""The unit of measurement: two texts alike but for the arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from audit.suite import Task

Kind = Literal["treatment", "control"]
Span = tuple[int, int]

#: The axis of what spans several protected attributes.
ALL_AXES = "all"

#: In a suite's text, the place that a masked model fills, and the border between question and context.
MASK = "[MASK]"
SEP = " [SEP] "

PRONOUN = "pronoun"
CANDIDATE_1 = "candidate_1"
CANDIDATE_2 = "candidate_2"


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a pair.

    Args:
        arm: id of the arm (``she``).
        group: what the arm stands for (``female``).
        text: the prompt.
        swap: character spans ``[start, end)`` of everything that the arm wrote into the text.
        mentions: name → character span. ``pronoun`` is the swapped word whose reading is scored;
            ``candidate_1`` and ``candidate_2`` are the same two nouns in both texts of a pair, and
            ``candidate_1`` is *in both* the one that the suite ties to arm_a (for an undirected
            pair: the item's first member).
        source_row: row in a public data set's own file, from 0; None where the pair has the row.
    """

    arm: str
    group: str
    text: str
    swap: tuple[Span, ...]
    mentions: Mapping[str, Span] = field(default_factory=dict)
    source_row: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A counterfactual pair, ready to be measured.

    Args:
        suite: name of the suite.
        pair_id: unique and stable within the suite.
        axis: the protected attribute.
        kind: ``treatment`` or ``control``.
        control: id of the control block; None for treatments.
        cluster: id of the template the pair came from (first random factor).
        item: the unordered candidate pair, name or phrase (second random factor).
        order: 0 or 1, which candidate comes first; 0 where there is no order.
        directed: whether the suite ties the candidates (or completions) to the arms.
        a, b: the two texts; ``a.arm`` and ``b.arm`` make the contrast.
        completions: ``(c_1, c_2)``, continuations with their leading space; ``c_1`` is the one
            tied to arm_a through the reading that the suite declares; None if there are none.
        source_row: row in a public data set's own file, from 0 (arm_a's, where each text has its own);
            None for suites in YAML.
        file, line: where the author wrote it.
        referents: the two persons that the pronoun may stand for, if the suite names them.
        gold: the one of them that it does stand for, if that is known.
        attributes: what a public data set says of the pair.
        task: what the model is asked to do.
    """

    suite: str
    pair_id: str
    axis: str
    kind: Kind
    control: str | None
    cluster: str
    item: str
    order: int
    directed: bool
    a: Text
    b: Text
    completions: tuple[str, str] | None
    source_row: int | None
    file: str
    line: int
    referents: tuple[str, str] | None = None
    gold: str | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    task: Task = "completion"

    @property
    def contrast(self) -> tuple[str, str]:
        """The two arms that the pair compares."""
        return (self.a.arm, self.b.arm)

    @property
    def unit(self) -> str:
        """The order-balanced quadruple that the pair belongs to."""
        return f"{self.cluster}|{self.item}"
