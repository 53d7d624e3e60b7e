"""Statistics of a large run, without a model: fits of all heads, their findings, and sign-flips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from audit.config import RunConfig
from audit.heads import analyse_heads
from audit.records import HEAD_MEASURES
from audit.sign_flips import Flips, sign_flip
from tests.benchmarks.fresh import Cost, cost_of, in_fresh_process
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.timing import ROUNDS, Row, spread

_LAYERS, _HEADS = 32, 32
_TEMPLATES, _ITEMS, _PAIRS = 40, 40, 5_000
_FLIPS = Flips.enough(0, _LAYERS * _HEADS, 0.05)


def run_statistics() -> None:
    """Fits and flips, each in a fresh process."""
    found = {
        "heads": _median_cost(_fitted),
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


def _median_cost(work: Callable[[], Cost]) -> Row:
    costs = [in_fresh_process(work) for _ in range(ROUNDS)]
    return {
        "seconds": spread([cost.seconds for cost in costs]),
        "peak memory (MiB)": spread([cost.peak for cost in costs]),
        "of it the tables and libraries (MiB)": spread([cost.before for cost in costs]),
    }


def _fitted() -> Cost:
    """Every measure of every head, tested, corrected and labelled."""
    pairs, heads = _pairs(), _heads()
    return cost_of(lambda: analyse_heads(pairs, heads, RunConfig()))


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


def _heads() -> pd.DataFrame:
    """The table as a run has it: a row a pair and head, every measure of both rows."""
    rng, places = np.random.default_rng(0), _LAYERS * _HEADS
    names = pd.Series([f"pair-{n}" for n in range(_PAIRS)], dtype="string")
    columns: dict[str, object] = {
        "suite": pd.Series(["synthetic"], dtype="string").repeat(_PAIRS * places).reset_index(drop=True),
        "pair_id": names.repeat(places).reset_index(drop=True),
        "stream": pd.Series(["self"], dtype="string").repeat(_PAIRS * places).reset_index(drop=True),
        "layer": np.tile(np.repeat(np.arange(_LAYERS), _HEADS), _PAIRS),
        "head": np.tile(np.arange(_HEADS), _PAIRS * _LAYERS),
    }
    columns |= {name: rng.standard_normal(_PAIRS * places) for name in HEAD_MEASURES}
    return pd.DataFrame(columns)
