"""Natural indirect effects of single heads: exchange one attention row, see what the model says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from audit.config import RunConfig
from audit.effects import natural_indirect_effect, total_effect
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record, Stream
from probes.job import Job
from probes.model import LoadedModel
from probes.preparation import Work, prepare
from probes.rows import why_no_row
from probes.scopes import Head, heads_of, single_heads, whole_scopes

_SAME_ROW = "the pronoun's row is the predicting row"
_OTHER_STREAM = {
    "encoder": "the row that predicts the answer's first word is the cross-attention's",
    "cross": "cross-attention is read from the row that predicts the first word of the answer",
}
_PARTIAL = "some layers have no attention by token, so that not all attention can be exchanged"


def _effects(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NIE and NDE, ``[interventions, pairs]`` nats each, from log-odds ``[1 + interventions, 2, pairs]``."""
    on_a, on_b = y[0]
    forward, nde = y[1:, 1] - on_b, y[1:, 0] - on_b
    return natural_indirect_effect(forward, total_effect(on_a, on_b), nde), nde


class CausalProbe:
    """Symmetric row-wise NIE and NDE of single heads (Pearl 2001; Vig et al. 2020, eq. 4–6, on log-odds).

    ``forward_h = y(x; A_h ← A_h(x')) − y(x)``, ``NDE_h = y(x'; A_h ← A_h(x)) − y(x)``,
    ``NIE_h = ½(forward_h + TE − NDE_h)`` with x = arm_b, x' = arm_a.

    Each pair is served by the first engine that is exact for it: tails over a shared prefix
    (:mod:`probes.tails`), or else whole passes (:mod:`probes.whole_passes`). An encoder–decoder has a
    second record for the row of its cross-attention that predicts the answer's first token.

    Where the effects of all heads are wanted, those of whole layers and of the whole model are measured, too,
    all their rows exchanged together: outputs ``nie_layer:L``, ``nde_layer:L``, ``nie_model``, ``nde_model`` of
    the pair, told at arm_a.
    """

    name = "causal"
    version = "2"
    stage = 2

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs with completions, of the kinds that the config names."""
        return pair.completions is not None and pair.kind in config.causal.kinds

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        """Measure pairs of one contrast; a pair whose rows cannot be exchanged says why."""
        if heads.pronoun == heads.next == frozenset():
            return
        work, reasons = prepare(model, pairs)
        for pair_id, reason in reasons.items():
            yield HeadRecord(pair_id, model.stream, {}, dict.fromkeys(("nie", "nie_next"), reason))
        for each in work:
            yield from _measured(model, each, heads, pairs[0].a.arm)


def _measured(model: LoadedModel, work: Work, heads: HeadChoice, arm: str) -> Iterator[Record]:
    """Effects of the chosen heads in jobs of one shape; with all heads chosen of layers and model, too."""
    job = work.jobs[0]
    whole = whole_scopes(model, job) if heads.pronoun is None else {}
    pronoun, following = heads_of(model, job.pronoun.stream, heads.pronoun), _following(model, job, heads)
    single, after = single_heads(pronoun, job.pronoun), []
    if job.following is not None:
        after = single_heads(following, job.following)
    nie, nde = _effects(work.engine.log_odds(work.jobs, [*single, *whole.values(), *after]))
    for number, each in enumerate(work.jobs):
        if each.unchanged:  # a row that is exchanged with itself; a larger batch may still round
            nie[:, number] = nde[:, number] = 0
    own, scopes, late = np.split(np.arange(len(nie)), [len(single), len(single) + len(whole)])
    for number, each in enumerate(work.jobs):
        by_row = {
            "": (job.pronoun.stream, pronoun, own),
            "_next": (job.following.stream if job.following else model.stream, following, late),
        }
        yield from _head_records(model, each, by_row, {"nie": nie[:, number], "nde": nde[:, number]})
        for name, values in (("nie", nie), ("nde", nde)):
            for scope, at in zip(whole, scopes.tolist(), strict=True):
                yield OutputRecord(each.name, arm, f"{name}_{scope}", float(values[at, number]))
            if whole and "model" not in whole:
                yield OutputRecord(each.name, arm, f"{name}_model", None, reason=_PARTIAL)


def _why_no_following(model: LoadedModel, job: Job) -> str | None:
    """Why no row but the pronoun's predicts the answer."""
    if job.following is None:
        return why_no_row(model)
    same = job.following.stream == job.pronoun.stream
    return _SAME_ROW if same and job.following.rows[0] in job.pronoun.rows else None


def _following(model: LoadedModel, job: Job, heads: HeadChoice) -> list[Head]:
    if job.following is None or _why_no_following(model, job):
        return []
    return heads_of(model, job.following.stream, heads.next)


_ByRow = dict[str, tuple[Stream, list[Head], np.ndarray]]


def _head_records(
    model: LoadedModel, job: Job, by_row: _ByRow, effects: dict[str, np.ndarray]
) -> Iterator[HeadRecord]:
    """One record per stream, each with the rows that it has."""
    reason = _why_no_following(model, job)
    for stream in dict.fromkeys(stream for stream, _, _ in by_row.values()):
        measures, reasons = {}, {}
        for suffix, (of, heads, at) in by_row.items():
            if of != stream:
                reasons[f"nie{suffix}"] = _OTHER_STREAM[stream]
            elif suffix and reason:
                reasons[f"nie{suffix}"] = reason
            else:
                for name, values in effects.items():
                    measures[name + suffix] = _table(model, stream, heads, values[at])
        yield HeadRecord(job.name, stream, measures, reasons)


def _table(model: LoadedModel, stream: Stream, heads: Sequence[Head], values: np.ndarray) -> np.ndarray:
    """``[layers, heads]``; NaN where a head was not measured."""
    table = np.full((model.anatomy.layers[stream], model.anatomy.heads[stream]), math.nan)
    for place, value in zip(heads, values, strict=True):
        table[place] = value
    return table
