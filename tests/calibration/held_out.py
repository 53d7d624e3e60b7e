"""Heads of the demo model chosen on half of the templates × half of the items, tried on the other half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from audit.config import CausalSettings
from audit.generality import trial_of, try_out
from audit.progress import Watcher
from audit.results import HeldOut
from audit.runner import measure
from probes.ablation import AblationProbe
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.load import load
from probes.model import LoadedModel
from tests.calibration.ledger import FOLDER, Row, drawn, write_figures
from tests.calibration.nulls import CONFIG, own

#: Splits into halves; the first one is that of the preset's own seed.
SPLITS = 5
ALL_HEADS = CONFIG.model_copy(update={"causal": CausalSettings(heads="all")})


def figures(found: Sequence[HeldOut]) -> Row:
    """How many choices beat 95 % of random sets, and by how much."""
    tried = [one for one in found if one.p is not None and one.share is not None]
    return {
        "directions": len(found),
        "heads chosen": len(tried),
        "fall more than 95 % of random sets": sum(
            one.share > one.random_95 for one in tried if one.share is not None and one.random_95 is not None
        ),
        "random sets": min((one.sets for one in tried), default=0),
        "share that falls": _spread([one.share for one in tried]),
        "share with random heads, median": _spread([one.random_median for one in tried]),
        "share with random heads, 95 %": _spread([one.random_95 for one in tried]),
        "largest p": max((one.p for one in tried if one.p is not None), default=None),
        "perplexity": _spread([one.perplexity for one in tried]),
        "perplexity, heads cut off": _spread([one.perplexity_edited for one in tried]),
        "perplexity, random heads cut off": _spread([one.perplexity_random for one in tried]),
    }


def _spread(values: Sequence[float | None]) -> Row:
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return {}
    return {
        name: round(float(f(known)), 3)
        for name, f in (("least", np.min), ("median", np.median), ("most", np.max))
    }


def _all_effects(model: LoadedModel) -> dict[str, pd.DataFrame]:
    """Bias and effects of all heads, measured once and kept: they take longer than the splits."""
    files = {name: FOLDER / "work" / f"held_out_{name}.parquet" for name in ("pairs", "heads")}
    if not all(file.exists() for file in files.values()):
        probes = [AttentionProbe(), CausalProbe()]
        tables = measure(model, own("labels"), probes, ALL_HEADS, Watcher(quiet=True))
        for name, frame in (("pairs", tables.pairs()), ("heads", tables.heads())):
            files[name].parent.mkdir(exist_ok=True)
            frame.to_parquet(files[name])
    return {name: pd.read_parquet(file) for name, file in files.items()}


def run_held_out() -> None:
    """Five splits of the quickstart's pairs, both halves choosing once."""
    loaded: list[LoadedModel] = []  # only if a split is missing

    def draw(key: str) -> Row:
        model = loaded[0] if loaded else load("demo")
        loaded[:] = [model]
        frames = _all_effects(model)
        config = ALL_HEADS.model_copy(update={"seed": int(key)})
        trial = trial_of(model, own("labels"), AblationProbe())
        found = try_out(frames["pairs"], frames["heads"], config, Watcher(quiet=True), trial)
        return {"halves": [one.model_dump(mode="json") for one in found]}

    rows = drawn("held_out", map(str, range(SPLITS)), draw)
    write_figures("held-out halves", figures([HeldOut(**half) for row in rows for half in row["halves"]]))
