"""A model that splits texts at spaces, and pairs for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Kind, Pair, Text
from audit.protocols import Encoding


@dataclass
class FakeModel:
    """Every word is a token; planning and running ask for nothing else of a model."""

    max_length: int = 100
    head: str = "causal-lm"

    def encode(self, text: str) -> Encoding:
        words = list(re.finditer(r"\S+", text))
        spans = tuple(word.span() for word in words)
        return Encoding(tuple(range(len(words))), tuple(word.group() for word in words), spans)


def pair(
    pair_id: str,
    *,
    cluster: str = "t",
    item: str = "i",
    order: int = 0,
    kind: Kind = "treatment",
    suite: str = "jobs",
    arms: tuple[str, str] = ("she", "he"),
    more: str = "",
    source_row: int | None = None,
) -> Pair:
    """``nurse met pilot : she said`` and the same with *he*; ``more`` words make it longer."""
    start, end = "nurse met pilot : ", f" said{more}"
    texts = [
        Text(
            arm,
            {"she": "female", "he": "male"}.get(arm, "neutral"),
            f"{start}{arm}{end}",
            ((len(start), len(start) + len(arm)),),
            {PRONOUN: (len(start), len(start) + len(arm)), CANDIDATE_1: (0, 5), CANDIDATE_2: (10, 15)},
        )
        for arm in arms
    ]
    treatment = kind == "treatment"
    return Pair(
        suite,
        pair_id,
        "gender",
        kind,
        None if treatment else "neutral",
        cluster,
        item,
        order,
        treatment,
        *texts,
        (" pilot", " nurse") if treatment else None,
        source_row,
        "jobs.yaml",
        7,
    )
