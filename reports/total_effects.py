"""The total effect of every pair under test, and how many go against the stereotype or nowhere."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.folder import FinishedRun


class Share(NamedTuple):
    """How many pairs of one suite × contrast have a total effect of 0 or below.

    Args:
        suite, contrast: whose pairs.
        pairs: pairs under test with a total effect and a declared stereotype.
        not_above: those of them at 0 or below.
    """

    suite: str
    contrast: tuple[str, str]
    pairs: int
    not_above: int


def total_effects(run: FinishedRun) -> pd.Series[float]:
    """Log-odds of the first completion after text a minus those after text b, for pairs under test.

    Args:
        run: the run folder.
    Returns:
        Nats by pair id; pairs without log-odds in both arms are left out.
    """
    pairs = run.pairs[(run.pairs["kind"] == "treatment") & (run.pairs["status"] == "measured")]
    rows = run.outputs[run.outputs["measure"] == "completion_log_odds"]
    values = (
        rows.drop_duplicates(["pair_id", "arm"], keep="last")
        .set_index(["pair_id", "arm"])["value"]
        .astype("float64")
    )
    sides = [
        values.reindex(pd.MultiIndex.from_frame(pairs[["pair_id", f"arm_{side}"]])).to_numpy()
        for side in ("a", "b")
    ]
    return pd.Series(sides[0] - sides[1], index=pairs["pair_id"].astype(str), dtype="float64").dropna()


def shares(run: FinishedRun, effects: pd.Series[float]) -> tuple[Share, ...]:
    """Count, by suite × contrast, the directed pairs whose total effect is 0 or below.

    Args:
        run: the run folder.
        effects: from ``total_effects``.
    Returns:
        One count per suite × contrast with at least one such pair, in the order of the table.
    """
    directed = run.pairs[run.pairs["directed"].eq(True) & run.pairs["pair_id"].isin(effects.index)]
    return tuple(
        Share(str(suite), (str(a), str(b)), len(rows), int((effects[rows["pair_id"]] <= 0).sum()))
        for (suite, a, b), rows in directed.groupby(["suite", "arm_a", "arm_b"], sort=False)
    )
