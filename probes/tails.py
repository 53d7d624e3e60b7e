"""Interventions on tails over a shared prefix, for decoders in whose code a batch may grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.errors import ModelError
from audit.records import Array
from probes.branch import TOGETHER
from probes.intervention import Intervention
from probes.job import Job, finite, joined, only_rounding, portions
from probes.model import LoadedModel
from probes.prefix import KeyValues
from probes.route import through_interface
from probes.tail_batch import TailBatch

#: Tail positions whose hidden states are held at once, of all copies of all texts.
_POSITIONS = 16384

_Runs = list[tuple[Sequence[int], Array]]


class SharedPrefix:
    """Reads what two texts share once, and of each intervention only what it can change.

    Args:
        model: a decoder whose attention goes through ``probes.route``.
    """

    told = "tails over a shared prefix"

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def why_not(self, job: Job) -> str | None:
        """Try the tails on one pair, unless the family is out of the question."""
        if reason := why_never(self._model):
            return reason
        try:
            error = TailBatch(self._model, [job]).route_error()
        except (RuntimeError, TypeError, ModelError) as failure:
            # A family's own code may not take positions, or may count on the batch that it was given.
            first = str(failure).strip().split("\n")[0]
            return f"tails cannot be run on {type(self._model.net).__name__} ({first})"
        if only_rounding(error, self._model.net.dtype):
            return None
        return f"tails are not exact on this model at this length (off by {error:.2g} nats)"

    def log_odds(self, jobs: Sequence[Job], interventions: Sequence[Intervention]) -> Array:
        """See :class:`probes.job.Engine`; no row before the jobs' start can be edited."""
        first = jobs[0]
        last = first.start if first.following is None else first.following.rows[0]
        early = [n for n, each in enumerate(interventions) if each.start < last or last == first.start]
        late = [n for n in range(len(interventions)) if n not in set(early)]
        tail = max(len(each.ids) for each in first.questions[0].inputs) - first.start
        copies = len(first.questions[0].inputs)
        edits = max(len(early), len(late))
        # One copy of the texts is no more than goes through a layer together, if it can be helped.
        one = max(len(first.questions), TOGETHER // (copies * tail))
        texts = min(_POSITIONS // (copies * tail), one * (1 + edits))
        parts = []
        for some, ranges in portions(jobs, edits, texts):
            batch = TailBatch(self._model, some)
            prefix, runs = batch.prefix(), _Runs()
            seen = KeyValues()
            for each in ranges:
                numbers = early[each.start : each.stop]
                if numbers or not runs:
                    y, seen = batch.run(prefix, first.start, [interventions[n] for n in numbers])
                    runs.append((numbers, y))
            extended = prefix.extended(seen, last - first.start) if late else prefix
            for each in ranges if late else ():
                if numbers := late[each.start : each.stop]:
                    y, _ = batch.run(extended, last, [interventions[n] for n in numbers])
                    runs.append((numbers, y))
            parts.append(joined(runs))
        return finite(jobs, np.concatenate(parts, axis=2))


def why_never(model: LoadedModel) -> str | None:
    """Why tails over a shared prefix are out of the question for a family; None if they may do."""
    if model.family != "decoder" or model.head != "causal-lm":
        return f"tails need a decoder with a language-model head (got {model.family}, {model.head})"
    if not through_interface(model.net):
        return "tails need queries and keys, and this family bypasses the attention interface"
    if model.anatomy.missing("self"):
        return "tails need attention in every layer, and some layers of this model have none"
    return None
