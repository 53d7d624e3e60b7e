"""Statistics of a large run, without a model: fits of all heads, their findings, and sign-flips."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from audit.config import RunConfig
from audit.head_rows import read_heads
from audit.heads import analyse_heads
from audit.records import HEAD_MEASURES
from audit.sign_flips import Flips, sign_flip
from audit.store import write_portions
from tests.benchmarks.fresh import Cost, cost_of, in_fresh_process
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.timing import ROUNDS, Row, spread

_LAYERS, _HEADS = 32, 32
_TEMPLATES, _ITEMS, _PAIRS = 40, 40, 5_000
#: Pairs that a run of so many heads writes together.
_PORTION = 64
_FLIPS = Flips.enough(0, _LAYERS * _HEADS, 0.05)


def run_statistics() -> None:
    """Fits and flips, each in a fresh process."""
    with tempfile.TemporaryDirectory() as place:
        write_portions(Path(place), "heads", _portions())
        found = {
            "heads": _median_cost(_fitted, Path(place) / "heads.parquet"),
            "flips": _median_cost(_flipped),
        }
    together = {
        "seconds": round(sum(row["seconds"]["median"] for row in found.values()), 2),
        "peak memory (MiB)": max(row["peak memory (MiB)"]["most"] for row in found.values()),
    }
    size = {
        "heads": _LAYERS * _HEADS,
        "pairs": _PAIRS,
        "units": _TEMPLATES * _ITEMS,
        "flips": _FLIPS.draws,
    }
    write_figures("statistics", {"size": size, **found, "together": together})


def _median_cost(work: Callable[..., Cost], *arguments: Path) -> Row:
    costs = [in_fresh_process(work, *arguments) for _ in range(ROUNDS)]
    return {
        "seconds": spread([cost.seconds for cost in costs]),
        "peak memory (MiB)": spread([cost.peak for cost in costs]),
        "of it before the work begins (MiB)": spread([cost.before for cost in costs]),
    }


def _fitted(file: Path) -> Cost:
    """Every measure of every head, read from its table, tested, corrected and labelled."""
    pairs = _pairs()
    return cost_of(lambda: analyse_heads(pairs, read_heads(file), RunConfig()))


def _flipped() -> Cost:
    """The test for units of which nothing recurs, on as many units."""
    values = np.random.default_rng(0).standard_normal((_TEMPLATES * _ITEMS, _LAYERS * _HEADS))
    return cost_of(lambda: sign_flip(values, _FLIPS))


def _pairs() -> pd.DataFrame:
    """Three or four pairs in every cell of template × item."""
    number = np.arange(_PAIRS)
    template, item = number % _TEMPLATES, number // _TEMPLATES % _ITEMS
    text = pd.DataFrame(
        {
            "suite": "synthetic",
            "pair_id": [f"pair-{n}" for n in number],
            "axis": "gender",
            "kind": "treatment",
            "control": None,
            "cluster": [f"template-{t}" for t in template],
            "item": [f"item-{i}" for i in item],
            "arm_a": "she",
            "arm_b": "he",
            "group_a": "female",
            "group_b": "male",
            "completion_1": " one",
            "completion_2": " two",
            "candidate_1": "one",
            "candidate_2": "two",
            "status": "measured",
            "reason": None,
        }
    ).astype("string")
    return text.assign(order=number % 2, directed=True)


def _portions() -> Iterator[pd.DataFrame]:
    """The table as a run writes it: a row a pair and head, every measure of both rows."""
    rng, places = np.random.default_rng(0), _LAYERS * _HEADS
    for first in range(0, _PAIRS, _PORTION):
        numbers = range(first, min(first + _PORTION, _PAIRS))
        rows = len(numbers) * places
        names = pd.Series([f"pair-{n}" for n in numbers], dtype="string")
        columns: dict[str, object] = {
            "suite": pd.Series(["synthetic"], dtype="string").repeat(rows).reset_index(drop=True),
            "pair_id": names.repeat(places).reset_index(drop=True),
            "stream": pd.Series(["self"], dtype="string").repeat(rows).reset_index(drop=True),
            "layer": np.tile(np.repeat(np.arange(_LAYERS), _HEADS), len(numbers)),
            "head": np.tile(np.arange(_HEADS), len(numbers) * _LAYERS),
        }
        yield pd.DataFrame(columns | {name: rng.standard_normal(rows) for name in HEAD_MEASURES})
