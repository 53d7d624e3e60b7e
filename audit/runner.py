"""The one loop over pairs: probes in two stages, failures counted, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.batches import Alone, Batch, Crew
from audit.config import RunConfig
from audit.head_spool import HeadSpool
from audit.head_table import HeadTable
from audit.pairs import Pair
from audit.planning import Plan, plan
from audit.progress import Watcher
from audit.protocols import HeadChoice, Model, Probe
from audit.records import PairRecord
from audit.results import HeadFinding
from audit.tables import Tables

if TYPE_CHECKING:
    import pandas as pd

Choices = Mapping[tuple[str, tuple[str, str]], HeadChoice]
_NO_HEADS = HeadChoice(frozenset(), frozenset())


def measure(
    model: Model,
    pairs: Sequence[Pair],
    probes: Sequence[Probe],
    config: RunConfig,
    watcher: Watcher,
    crew: Crew | None = None,
    planned: Plan | None = None,
    spool: HeadSpool | None = None,
) -> Tables:
    """Measure all pairs with all probes.

    Stage 1 (attention, likelihood, generation) sees every pair; then the heads that can still be
    flagged are chosen, and stage 2 (causal) intervenes on these alone, unless the config wants all.

    Args:
        model: the loaded model.
        pairs: in the order of the suites.
        probes: instruments of both stages.
        config: how to measure.
        watcher: told of every batch.
        crew: measures the batches; None for this process alone.
        planned: what to measure of these pairs, where it is known already: all, or a share.
        spool: keeps the measures of the heads; None for one among the system's temporary files.
    """
    tables = Tables(pairs, spool)
    planned = planned or plan(pairs, model, config.batch_size)
    crew = crew or Alone(model, planned.pairs, probes, config)
    tables.add(planned.records)
    tokens = {record.pair_id: record for record in planned.records}
    failed: set[str] = set()
    for stage, what in ((1, "attention and outputs"), (2, "causal effects")):
        staged = [probe for probe in probes if probe.stage == stage]
        choices = _choices(tables, config, pairs) if stage == 2 and staged else {}
        batches = list(_batches(stage, planned.batches, staged, config, choices, failed))
        told = watcher.track(what, [batch.pairs for batch in batches])
        for _pairs, (_number, result) in zip(told, crew.measure(batches), strict=True):
            tables.add(result.records)
            for pair_id, reason in result.failures.items():
                failed.add(pair_id)
                tables.drop(pair_id)
                known = tokens[pair_id]
                tables.add([PairRecord(pair_id, "failed", reason, known.tokens_a, known.tokens_b)])
    tables.add(_unwanted(pairs, probes, config, tokens))
    return tables


def _batches(
    stage: int,
    planned: Sequence[Sequence[Pair]],
    probes: Sequence[Probe],
    config: RunConfig,
    choices: Choices,
    failed: Collection[str],
) -> Iterator[Batch]:
    """The planned batches that a stage has something to measure in, without pairs that failed before."""
    for pairs in planned:
        left = tuple(pair for pair in pairs if pair.pair_id not in failed)
        if any(probe.wants(pair, config) for probe in probes for pair in left):
            heads = choices.get((left[0].suite, left[0].contrast), _NO_HEADS)
            yield Batch(stage, left, heads)


def _unwanted(
    pairs: Sequence[Pair], probes: Sequence[Probe], config: RunConfig, records: Mapping[str, PairRecord]
) -> list[PairRecord]:
    """Pairs that no probe of the run is for: they were not measured, so they must not look it."""
    reason = "no probe of this run measures such a pair"
    return [
        replace(records[pair.pair_id], status="skipped", reason=reason)
        for pair in pairs
        if records[pair.pair_id].status == "measured" and not any(p.wants(pair, config) for p in probes)
    ]


def _choices(tables: Tables, config: RunConfig, pairs: Sequence[Pair]) -> Choices:
    if config.causal.heads == "all":
        return {(pair.suite, pair.contrast): HeadChoice() for pair in pairs}
    from audit.heads import possible_heads

    heads = tables.head_table()
    return possible_heads(tables.pairs(), heads, config) if heads.sections else {}


def pairs_to_show(
    pairs: pd.DataFrame, heads: HeadTable, findings: Sequence[HeadFinding], count: int
) -> list[str]:
    """The pairs whose attention is kept whole, by id: those written out by hand first, then the strongest.

    Strength is the mean |bias| at the pronoun's row over the flagged heads; over all heads if none is.
    """
    if not count:
        return []
    strength = _strength(heads, {(head.layer, head.head) for head in findings if head.flagged})
    shown = pairs[(pairs["status"] == "measured") & pairs["pair_id"].isin(list(strength))]
    by_hand = shown.loc[shown["cluster"] == shown["pair_id"], "pair_id"].tolist()
    rest = sorted(set(shown["pair_id"]) - set(by_hand), key=lambda name: (-strength[name], name))
    return [*by_hand, *rest][:count]


def _strength(heads: HeadTable, flagged: Collection[tuple[int, int]]) -> dict[str, float]:
    """Pair id → mean |bias| of the flagged heads, or of all; pairs without a bias are left out."""
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for section in heads.sections:
        places = zip(section.layer.tolist(), section.head.tolist(), strict=True)
        chosen = [place in flagged or not flagged for place in places]
        sizes = np.abs(heads.values(section, "bias"))[:, chosen]
        total.update(dict(zip(section.pair_ids, np.nansum(sizes, axis=1).tolist(), strict=True)))
        count.update(dict(zip(section.pair_ids, (~np.isnan(sizes)).sum(axis=1).tolist(), strict=True)))
    return {name: total[name] / many for name, many in count.items() if many}
