"""What was asked of every comparison before it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.timing import Row


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the table.

    Args:
        part: whose figures tell.
        work: what is done.
        against: by what other way.
        figure: where it is found in the part's figures.
        side: whether more or less is better.
        bound: what was asked.
        unit: behind the numbers.
        limit: where the figures tell what this machine allows at best; empty where nobody computes it.
    """

    part: str
    work: str
    against: str
    figure: tuple[str, ...]
    side: Literal["≥", "≤"]
    bound: float
    unit: str = ""
    limit: tuple[str, ...] = ()

    def found(self, every: Mapping[str, Row]) -> Row | None:
        """Median, least and most; None where the part was not run, or found nothing of the kind."""
        return self._told(every, self.figure)

    def allowed(self, every: Mapping[str, Row]) -> Row | None:
        """The limit in the same way; None where there is none."""
        return self._told(every, self.limit) if self.limit else None

    def _told(self, every: Mapping[str, Row], path: tuple[str, ...]) -> Row | None:
        here: object = every.get(self.part, {}).get("figures")
        for name in path:
            here = here.get(name) if isinstance(here, Mapping) else None
        if here is None or isinstance(here, Mapping):
            return None if here is None else dict(here)
        return {"median": here}

    def holds(self, median: float) -> bool:
        """Whether the figure is what was asked, or better."""
        return median >= self.bound if self.side == "≥" else median <= self.bound


_LM_EVAL = "lm-eval, its best batch size"
_PLAIN = "a plain SDPA forward of the same batches"
_OF_ALL_HEADS = "NIE of all heads of a pair"


def _likelihoods(part: str, name: str, in_float32: float, in_bf16: float) -> tuple[Bar, ...]:
    """Both dtypes against lm-eval in the same one, and bf16 against its float32."""
    against = (
        ("float32", "float32", "", in_float32),
        ("bf16", "bfloat16", "", in_bf16),
        ("bf16", "bfloat16", " as theirs in float32", in_bf16),
    )
    return tuple(
        Bar(
            part,
            f"{name}, {told}",
            f"{_LM_EVAL}{', float32' if other else ''}",
            (dtype, f"times as fast{other}"),
            "≥",
            asked,
            " ×",
            (dtype, f"limit, times as fast{other}"),
        )
        for told, dtype, other, asked in against
    )


BARS = (
    *_likelihoods("crows", "CrowS-Pairs", 1.3, 3),
    Bar(
        "crows",
        "CrowS-Pairs, bf16: preferences that flip",
        "evenhand in float32",
        ("bfloat16", "evenhand", "preferences flipped"),
        "≤",
        0.015,
    ),
    *_likelihoods("winogender", "Winogender", 2.5, 6),
    Bar(
        "rows",
        "attention rows of the quickstart",
        "BertViz's way: eager, one prompt at a time",
        ("times as fast as BertViz's way",),
        "≥",
        8,
        " ×",
    ),
    Bar("rows", "the same, its time", _PLAIN, ("times of a plain SDPA forward",), "≤", 1.1, " ×"),
    Bar(
        "rows",
        "the same",
        "the same passes through evenhand, nothing captured",
        ("times of the same passes, nothing captured",),
        "≤",
        1.1,
        " ×",
    ),
    Bar(
        "rows",
        "the same, memory above it at 4 × 512 tokens",
        _PLAIN,
        ("peak memory at 4 × 512 tokens (MiB)", "above plain"),
        "≤",
        50,
        " MiB",
    ),
    Bar(
        "nie",
        _OF_ALL_HEADS,
        "one forward per head (the published way)",
        ("times as fast as one forward per head",),
        "≥",
        60,
        " ×",
        ("limit, times as fast as one forward per head",),
    ),
    Bar(
        "nie",
        "the same, largest difference (nats)",
        "one forward per head",
        ("largest difference, one forward per head (nats)",),
        "≤",
        1e-4,
    ),
    Bar(
        "nie",
        _OF_ALL_HEADS,
        "TransformerLens' pattern patching of every head",
        ("times as fast as TransformerLens",),
        "≥",
        15,
        " ×",
        ("limit, times as fast as TransformerLens",),
    ),
    Bar(
        "flops",
        "floating-point work of the likelihood run, float32",
        "torch's best matrix product of the model's shapes",
        ("float32", "share of the best product"),
        "≥",
        0.7,
    ),
    Bar("flops", "the same, bf16", "the same", ("bfloat16", "share of the best product"), "≥", 0.4),
    Bar(
        "scaling",
        "10,000 pairs: time exponent",
        "1,000 pairs",
        ("time exponent, start-up excluded",),
        "≤",
        1.05,
    ),
    Bar("scaling", "10,000 pairs: peak memory", "1,000 pairs", ("peak memory, times",), "≤", 1.1, " ×"),
    Bar(
        "workers", "2 workers of one thread", "1 worker", ("times as fast, 2 workers, local",), "≥", 1.7, " ×"
    ),
    Bar("workers", "the same over Ray", "1 worker", ("times as fast, 2 workers, ray",), "≥", 1.7, " ×"),
    Bar(
        "statistics",
        "1,024 heads × 5,000 pairs, 204,800 flips: seconds",
        "–",
        ("together", "seconds"),
        "≤",
        20,
        " s",
    ),
    Bar(
        "statistics",
        "the same: peak memory",
        "–",
        ("together", "peak memory (MiB)"),
        "≤",
        1024,
        " MiB",
    ),
    Bar(
        "report",
        "report of 10,000 pairs × 270 heads: seconds to build",
        "–",
        ("build", "seconds"),
        "≤",
        15,
        " s",
    ),
    Bar("report", "the same: size of the file", "–", ("size (MB)",), "≤", 5, " MB"),
    Bar(
        "report",
        "the same: seconds until it answers, in Chromium",
        "–",
        ("page", "seconds until it answers"),
        "≤",
        2,
        " s",
    ),
    Bar("report", "the same: memory of the page", "–", ("page", "memory (MiB)"), "≤", 300, " MiB"),
)
