"""The heads that are edited in a pair, by the row where they are read, and how they are told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.protocols import HeadChoice
from audit.records import Array, HeadRecord, OutputRecord, Record, Stream
from probes.intervention import Intervention
from probes.job import Job
from probes.model import LoadedModel
from probes.rows import why_no_row
from probes.scopes import Head, heads_of, single_heads, whole_scopes

_SAME_ROW = "the pronoun's row is the predicting row"
_OTHER_STREAM = {
    "encoder": "the row that predicts the answer's first word is the cross-attention's",
    "cross": "cross-attention is read from the row that predicts the first word of the answer",
}
_PARTIAL = "some layers have no attention by token, so that not all attention can be {}"


class ReadHeads:
    """The chosen heads in jobs of one shape; with all heads chosen whole layers and the model, too.

    Args:
        model: of any family.
        job: any of the shape.
        heads: for the pronoun's row and for the predicting row.
    """

    def __init__(self, model: LoadedModel, job: Job, heads: HeadChoice) -> None:
        self._model = model
        self._why_no_following = _why_no_following(model, job)
        pronoun = heads_of(model, job.pronoun.stream, heads.pronoun)
        following: list[Head] = []
        single, after = single_heads(pronoun, job.pronoun), list[Intervention]()
        if job.following is not None and self._why_no_following is None:
            following = heads_of(model, job.following.stream, heads.next)
            after = single_heads(following, job.following)
        scopes = whole_scopes(model, job) if heads.pronoun is None else {}
        self.edits = (*single, *scopes.values(), *after)
        self.scopes = tuple(scopes)
        self._first_scope, late = len(single), len(single) + len(scopes)
        self._by_row: dict[str, tuple[Stream, list[Head], slice]] = {
            "": (job.pronoun.stream, pronoun, slice(self._first_scope)),
            "_next": (job.following.stream if job.following else model.stream, following, slice(late, None)),
        }

    def records(self, job: Job, effects: Mapping[str, Array], explained: Sequence[str]) -> Iterator[Record]:
        """One record per stream, each with the rows that it has.

        Args:
            job: one of the shape.
            effects: measure → ``[edits]`` in the order of :attr:`edits`.
            explained: the measures for which a row that is not there says why.
        """
        for stream in dict.fromkeys(stream for stream, _, _ in self._by_row.values()):
            measures, reasons = dict[str, Array](), dict[str, str]()
            for suffix, (of, heads, at) in self._by_row.items():
                why = _OTHER_STREAM[stream] if of != stream else self._why_no_following if suffix else None
                if why is not None:
                    reasons |= {name + suffix: why for name in explained}
                    continue
                for name, values in effects.items():
                    measures[name + suffix] = _table(self._model, stream, heads, values[at])
            yield HeadRecord(job.name, stream, measures, reasons)

    def outputs(self, job: Job, arm: str, effects: Mapping[str, Array], done: str) -> Iterator[OutputRecord]:
        """Effects of whole layers and of the model, told at an arm.

        Args:
            job: one of the shape.
            arm: where they are told.
            effects: measure → ``[edits]`` in the order of :attr:`edits`.
            done: what is done to attention, for the reason where not all of it can be edited.
        """
        for name, values in effects.items():
            for at, scope in enumerate(self.scopes, self._first_scope):
                yield OutputRecord(job.name, arm, f"{name}_{scope}", float(values[at]))
            if self.scopes and "model" not in self.scopes:
                yield OutputRecord(job.name, arm, f"{name}_model", None, reason=_PARTIAL.format(done))


def _why_no_following(model: LoadedModel, job: Job) -> str | None:
    """Why no row but the pronoun's predicts the answer."""
    if job.following is None:
        return why_no_row(model)
    same = job.following.stream == job.pronoun.stream
    return _SAME_ROW if same and job.following.rows[0] in job.pronoun.rows else None


def _table(model: LoadedModel, stream: Stream, heads: Sequence[Head], values: Array) -> Array:
    """``[layers, heads]``; NaN where a head was not measured."""
    table = np.full((model.anatomy.layers[stream], model.anatomy.heads[stream]), math.nan)
    for place, value in zip(heads, values, strict=True):
        table[place] = value
    return table
