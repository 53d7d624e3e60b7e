"""Tables of a run → how often the model takes the pronoun for the right person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from audit.config import RunConfig
from audit.estimates import Reading, estimates
from audit.pairs import ALL_AXES
from audit.results import Estimate, Finding
from audit.shares import as_share
from audit.units import Units

#: The output that the behavioural score is made of: `log p(gold) - log p(other)` in nats.
REFERENT_LOG_ODDS = "referent_log_odds"
_NOTE = (
    "texts in which the gold referent is the likelier one; interval: Wilson on the effective number of texts"
)


def coreference_findings(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> list[Finding]:
    """Accuracy of the behavioural score (Rudinger et al. 2018; the prompt of lm-evaluation-harness).

    ``coreference_accuracy``: share of texts with `log p(gold) > log p(other)`, each text once however
    many pairs it is in; over all texts of a suite, and for the texts of each group.

    Args:
        pairs: ``pairs.parquet``.
        outputs: ``outputs.parquet``.
        config: the power of the minimum detectable effect.
    Returns:
        Findings without a contrast, for suites with gold referents only.
    """
    texts = _texts(pairs, outputs)
    return [
        finding
        for _, own in texts.groupby("suite", sort=True)
        for finding in _suite_findings(own.reset_index(drop=True), config)
    ]


def _texts(pairs: pd.DataFrame, outputs: pd.DataFrame) -> pd.DataFrame:
    """One row per measured text of the treatments that has a score."""
    known = pairs[(pairs["status"] == "measured") & (pairs["kind"] == "treatment")]
    shared = ["suite", "pair_id", "axis", "cluster", "item"]
    sides = [
        known[[*shared, f"arm_{side}", f"group_{side}", f"text_{side}"]].set_axis(
            [*shared, "arm", "group", "prompt"], axis=1
        )
        for side in "ab"
    ]
    scored = outputs.loc[
        (outputs["measure"] == REFERENT_LOG_ODDS) & outputs["value"].notna(),
        ["suite", "pair_id", "arm", "value"],
    ]
    texts = pd.concat(sides).merge(scored, on=["suite", "pair_id", "arm"])
    return texts.drop_duplicates(["suite", "prompt"])


def _suite_findings(texts: pd.DataFrame, config: RunConfig) -> Iterator[Finding]:
    axes = texts["axis"].unique()
    groups = [None, *sorted(texts["group"].unique())]
    for group in groups:
        own = texts if group is None else texts[texts["group"] == group]
        yield Finding(
            **_accuracy(own, config).model_dump(),
            suite=texts.loc[0, "suite"],
            axis=axes[0] if len(axes) == 1 else ALL_AXES,
            contrast=None,
            group=group,
            measure="coreference_accuracy",
        )


def _accuracy(texts: pd.DataFrame, config: RunConfig) -> Estimate:
    key = texts[["cluster", "item"]]
    of = key.groupby(["cluster", "item"], sort=True).ngroup().to_numpy(dtype=np.intp)
    _, first = np.unique(of, return_index=True)
    labels = (tuple(map(str, texts[name].iloc[first])) for name in ("cluster", "item"))
    units = Units(np.arange(len(texts)), of.astype(np.intp), *labels)
    right = (texts["value"] > 0).to_numpy().astype(np.float64)
    fit, counts = units.fit((right - 0.5)[:, None])
    found = estimates(fit, counts, Reading(config.power, tested=False))[0]
    return as_share(found, _NOTE)
