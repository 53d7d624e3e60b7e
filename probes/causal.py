"""Natural indirect effects of single heads: exchange one attention row, see what the model says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.config import RunConfig
from audit.effects import natural_indirect_effect, total_effect
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record
from probes.branch import Intervention, Place
from probes.model import LoadedModel
from probes.preparation import prepare
from probes.tail_batch import Job, TailBatch, batches, by_shape

Head = tuple[int, int]


def _heads(model: LoadedModel, chosen: frozenset[Head] | None) -> list[Head]:
    """Heads in order; None stands for all."""
    return sorted(np.ndindex(model.layers, model.heads)) if chosen is None else sorted(chosen)


def _exchanges(heads: Sequence[Head], rows: Sequence[int]) -> list[Intervention]:
    """One intervention per head: it reads the rows along the other text's attention."""
    return [Intervention((Place(layer, head, tuple(rows)),)) for layer, head in heads]


def _whole(model: LoadedModel, job: Job) -> dict[str, Intervention]:
    """All heads of a layer, and of the model, at every row from the first differing token on."""
    rows = tuple(range(len(job.a) - job.start))
    layers = {
        f"layer:{layer}": Intervention(tuple(Place(layer, head, rows) for head in range(model.heads)))
        for layer in range(model.layers)
    }
    everything = tuple(place for layer in layers.values() for place in layer.places)
    return layers | {"model": Intervention(everything)}


def _effects(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NIE and NDE, ``[interventions, pairs]`` nats each, from log-odds ``[1 + interventions, 2, pairs]``."""
    on_a, on_b = y[0]
    forward, nde = y[1:, 1] - on_b, y[1:, 0] - on_b
    return natural_indirect_effect(forward, total_effect(on_a, on_b), nde), nde


class CausalProbe:
    """Symmetric row-wise NIE and NDE of single heads (Pearl 2001; Vig et al. 2020, eq. 4–6, on log-odds).

    ``forward_h = y(x; A_h ← A_h(x')) − y(x)``, ``NDE_h = y(x'; A_h ← A_h(x)) − y(x)``,
    ``NIE_h = ½(forward_h + TE − NDE_h)`` with x = arm_b, x' = arm_a.

    Where the effects of all heads are wanted, those of whole layers and of the whole model are measured, too,
    all their rows exchanged together: outputs ``nie_layer:L``, ``nde_layer:L``, ``nie_model``, ``nde_model`` of
    the pair, told at arm_a.
    """

    name = "causal"
    version = "1"
    stage = 2

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs with completions, of the kinds that the config names."""
        return pair.completions is not None and pair.kind in config.causal.kinds

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        """Measure pairs of one contrast; a pair whose rows cannot be exchanged says why."""
        pronoun, following = _heads(model, heads.pronoun), _heads(model, heads.next)
        if not pronoun and not following:
            return
        jobs, reasons = prepare(model, pairs)
        for pair_id, reason in reasons.items():
            yield HeadRecord(pair_id, model.stream, {}, dict.fromkeys(("nie", "nie_next"), reason))
        for same in by_shape(jobs).values():
            whole = _whole(model, same[0]) if heads.pronoun is None else {}
            for part in batches(same, 1 + max(len(pronoun) + len(whole), len(following))):
                yield from _measure_batch(model, part, pronoun, following, whole)


def _measure_batch(
    model: LoadedModel,
    jobs: Sequence[Job],
    pronoun: Sequence[Head],
    following: Sequence[Head],
    whole: Mapping[str, Intervention],
) -> Iterator[Record]:
    batch, job = TailBatch(model, jobs), jobs[0]
    prefix = batch.prefix()
    single = _exchanges(pronoun, [row - job.start for row in job.rows])
    y, seen = batch.run(prefix, job.start, [*single, *whole.values()])
    effects = dict(zip(("nie", "nde"), _effects(y), strict=True))
    found = {name: (values[: len(single)], pronoun) for name, values in effects.items()}
    reasons: dict[str, str] = {}
    if job.rows[-1] == job.last:
        reasons["nie_next"] = "the pronoun's row is the predicting row"
    else:
        y, _ = batch.run(prefix.extended(seen, job.last - job.start), job.last, _exchanges(following, [0]))
        found |= zip(("nie_next", "nde_next"), ((values, following) for values in _effects(y)), strict=True)
    for number, each in enumerate(jobs):
        measures = {
            name: _table(model, places, values[:, number]) for name, (values, places) in found.items()
        }
        yield HeadRecord(each.pair.pair_id, "self", measures, reasons)
        for name, values in effects.items():
            for scope, value in zip(whole, values[len(single) :, number].tolist(), strict=True):
                yield OutputRecord(each.pair.pair_id, each.pair.a.arm, f"{name}_{scope}", value)


def _table(model: LoadedModel, heads: Sequence[Head], values: np.ndarray) -> np.ndarray:
    """``[layers, heads]``; NaN where a head was not measured."""
    table = np.full((model.layers, model.heads), math.nan)
    for place, value in zip(heads, values, strict=True):
        table[place] = value
    return table
