"""The one loop over pairs: probes in two stages, failures counted, nothing lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from audit.batches import Alone, Batch, Crew
from audit.config import RunConfig
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
    """
    tables = Tables(pairs)
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
        results = dict(each for _pairs, each in zip(told, crew.measure(batches), strict=True))
        for _number, result in sorted(results.items(), key=itemgetter(0)):
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

    heads = tables.heads()
    return possible_heads(tables.pairs(), heads, config) if len(heads) else {}


def pairs_to_show(
    pairs: pd.DataFrame, heads: pd.DataFrame, findings: Sequence[HeadFinding], count: int
) -> list[str]:
    """The pairs whose attention is kept whole, by id: those written out by hand first, then the strongest.

    Strength is the mean |bias| at the pronoun's row over the flagged heads; over all heads if none is.
    """
    if not count or not len(heads):
        return []
    flagged = {(head.layer, head.head) for head in findings if head.flagged}
    frame = heads.assign(size=heads["bias"].abs())
    if flagged:
        frame = frame[[place in flagged for place in zip(frame["layer"], frame["head"], strict=True)]]
    strength = frame.groupby("pair_id")["size"].mean().dropna().to_dict()
    shown = pairs[(pairs["status"] == "measured") & pairs["pair_id"].isin(list(strength))]
    by_hand = shown.loc[shown["cluster"] == shown["pair_id"], "pair_id"].tolist()
    rest = sorted(set(shown["pair_id"]) - set(by_hand), key=lambda name: (-strength[name], name))
    return [*by_hand, *rest][:count]
