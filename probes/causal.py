"""Natural indirect effects of single heads: exchange one attention row, see what the model says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audit.config import RunConfig
from audit.effects import natural_indirect_effect, total_effect
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, Record
from probes.model import LoadedModel
from probes.preparation import Work, prepare
from probes.read_heads import ReadHeads


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
    read = ReadHeads(model, work.jobs[0], heads)
    nie, nde = _effects(work.engine.log_odds(work.jobs, read.edits))
    for number, job in enumerate(work.jobs):
        if job.unchanged:  # a row that is exchanged with itself; a larger batch may still round
            nie[:, number] = nde[:, number] = 0
        effects = {"nie": nie[:, number], "nde": nde[:, number]}
        yield from read.records(job, effects, explained=("nie",))
        yield from read.outputs(job, arm, effects, "exchanged")
