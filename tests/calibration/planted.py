"""Recall, labels and false discoveries on models with a known truth; recall against the size of the effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import stats

from audit.config import RunConfig
from audit.expand import expand
from audit.heads import analyse_heads
from audit.loader import load_config, load_suite
from audit.planting import Planting
from audit.progress import Watcher
from audit.results import Estimate
from audit.runner import measure
from audit.selfcheck import PLANTED, PlantedAudit, Share, judge, measuring_config
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.planted import PlantedGpt2
from tests.calibration.ledger import Row, drawn, write_figures

#: With one false audit of 150 the one-sided 99 % bound is .044; of 100 it would be .065.
SEEDS = 150
DOSES = (0.5, 0.25, 0.125, 0.0625, 0.03125)
DOSE_SEEDS = 20
QUICK = measuring_config(load_config("quick")[0])
#: The preset's rule; the same with no floor under bias and effect, so that the test alone decides; other corrections.
RULES: dict[str, RunConfig] = {
    "preset": QUICK,
    "no floors": QUICK.model_copy(update={"min_bias": 0.0, "min_nie": 0.0}),
    "by": QUICK.model_copy(update={"correction": "by"}),
    "max-t": QUICK.model_copy(update={"correction": "max-t"}),
}

DECIDED = (*RULES, "templates only")


def draw(planting: Planting) -> Row:
    """One audit, decided by every rule; the carriers' effects, also in standard errors."""
    pairs = expand(load_suite("selfcheck"))
    treatments = [pair for pair in pairs if pair.kind == "treatment"]
    planted = PlantedGpt2().plant(pairs, planting)
    tables = measure(planted.model, treatments, [AttentionProbe(), CausalProbe()], QUICK, Watcher(quiet=True))
    frames = tables.pairs(), tables.heads()
    row: Row = {}
    for name, rule in RULES.items():
        row[name] = counts(judge(planted, planting.seed, *frames, rule))
    # The trap: items treated as fixed, since one that never recurs is no second factor.
    alone = frames[0].assign(item=frames[0]["cluster"] + "|" + frames[0]["item"])
    row["templates only"] = counts(judge(planted, planting.seed, alone, frames[1], RULES["no floors"]))
    carriers = [
        head
        for head in analyse_heads(*frames, QUICK)
        if planted.truth.get((head.layer, head.head)) == "carries"
    ]
    for name in ("bias", "nie"):
        estimates = [getattr(head, name) for head in carriers]
        row[name] = [abs(each.estimate) for each in estimates]
        row[f"{name} in errors"] = [in_errors(each) for each in estimates]
    return row


def counts(audit: PlantedAudit) -> Row:
    return {
        "labels": Counter(f"{audit.truth.get(p, 'none')} > {given}" for p, given in audit.labels.items()),
        "carriers": len(audit.carriers),
        "found": len(audit.flagged & audit.carriers),
        "flagged": len(audit.flagged),
        "false": len(audit.false),
    }


def in_errors(estimate: Estimate) -> float:
    """Size of an estimate over its standard error, from its p."""
    assert estimate.p is not None
    return float(stats.t.isf(estimate.p / 2, min(estimate.clusters, estimate.items) - 1))


def told(share: Share) -> Row:
    return {
        "count": share.count,
        "of": share.trials,
        "low": round(share.low, 4),
        "high": round(share.high, 4),
    }


def summed(rows: list[Row], rule: str, name: str) -> int:
    return sum(row[rule][name] for row in rows)


def figures(rows: list[Row], rule: str) -> Row:
    """Counts of one rule over many audits, with one-sided 99 % bounds."""
    labels: Counter[str] = Counter()
    for row in rows:
        labels.update(row[rule]["labels"])
    named = {
        true: Share(
            labels[f"{true} > {true}"], sum(n for key, n in labels.items() if key.startswith(f"{true} >"))
        )
        for true in (*PLANTED, "none")
    }
    rates = [row[rule]["false"] / max(row[rule]["flagged"], 1) for row in rows]
    found: Row = {
        "audits": len(rows),
        "audits with a false flag": told(Share(sum(row[rule]["false"] > 0 for row in rows), len(rows))),
        "false discovery rate": round(float(np.mean(rates)), 4),
    }
    if carriers := summed(rows, rule, "carriers"):
        found["recall"] = told(Share(summed(rows, rule, "found"), carriers))
        found["audits with all carriers"] = told(
            Share(sum(row[rule]["found"] == row[rule]["carriers"] for row in rows), len(rows))
        )
        for name in ("bias", "nie", "bias in errors", "nie in errors"):
            found[name] = spread(value for row in rows for value in row[name])
    return found | {f"named {true}": told(share) for true, share in named.items() if share.trials}


def spread(values: Iterable[float]) -> dict[str, Any]:
    low, middle, high = np.quantile(list(values), [0.05, 0.5, 0.95])
    return {"5 %": round(float(low), 4), "median": round(float(middle), 4), "95 %": round(float(high), 4)}


def run_planted() -> None:
    """Planted models and null models."""
    for kind, make in (("planted", Planting), ("null", Planting.nothing)):
        rows = drawn(kind, map(str, range(SEEDS)), lambda key, make=make: draw(make(int(key))))
        write_figures(kind, {rule: figures(rows, rule) for rule in DECIDED})


def run_doses() -> None:
    """Recall against the size of the effect; the same models at every dose."""
    keys = [f"{dose}/{seed}" for dose in DOSES for seed in range(DOSE_SEEDS)]
    rows = drawn("doses", keys, lambda key: draw(Planting(int(key.split("/")[1]), float(key.split("/")[0]))))
    by_dose = {dose: [row for row in rows if row["key"].startswith(f"{dose}/")] for dose in DOSES}
    write_figures(
        "doses",
        {str(dose): {rule: figures(own, rule) for rule in RULES} for dose, own in by_dose.items()},
    )
