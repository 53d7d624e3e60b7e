"""Natural indirect effects of single heads: exchange one attention row, see what the model says."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers import PreTrainedModel

from audit.config import RunConfig
from audit.coreference import token_indices
from audit.effects import natural_indirect_effect, total_effect
from audit.errors import MeasurementError
from audit.pairs import PRONOUN, Pair
from audit.protocols import Encoding, HeadChoice
from audit.records import HeadRecord, Record
from probes.branch import KeyValues, Tails, branch, read_prefix
from probes.completions import completion_ids
from probes.head import log_probabilities, token_logits
from probes.model import LoadedModel
from probes.route import through_interface

#: Tail positions computed at once; larger gains nothing on two cores and costs memory.
_POSITIONS = 6144
#: Log-odds of the unedited tails may differ from those of whole texts by rounding only, in nats.
_ROUNDING = {torch.float32: 1e-3}
_COARSE_ROUNDING = 0.5


@dataclass(frozen=True, slots=True)
class _Job:
    """One pair, tokenised: the texts differ from ``start`` on, ``rows`` are the swapped mention's tokens."""

    pair: Pair
    a: tuple[int, ...]
    b: tuple[int, ...]
    start: int
    rows: tuple[int, ...]
    completions: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def shape(self) -> tuple[object, ...]:
        """Jobs of one shape share a batch without padding."""
        lengths = tuple(len(c) for c in self.completions)
        return (len(self.a), self.start, self.rows, lengths)


def why_not_exchangeable(
    a: Encoding, b: Encoding, rows_a: Sequence[int], rows_b: Sequence[int]
) -> str | None:
    """Attention rows can be exchanged only between texts with equally many tokens, alike elsewhere."""
    if len(a.ids) != len(b.ids):
        return f"attention rows cannot be exchanged: {len(a.ids)} against {len(b.ids)} tokens"
    if tuple(rows_a) != tuple(rows_b) or not rows_a:
        return "attention rows cannot be exchanged: the swapped words lie at different tokens"
    return None


def _job(model: LoadedModel, pair: Pair) -> _Job | str:
    a, b = model.encode(pair.a.text), model.encode(pair.b.text)
    rows_a, rows_b = (
        token_indices(text.mentions.get(PRONOUN, text.swap[0]), encoding)
        for text, encoding in ((pair.a, a), (pair.b, b))
    )
    if reason := why_not_exchangeable(a, b, rows_a, rows_b):
        return reason
    if pair.completions is None:
        return "no completions: nothing to measure an effect on"
    try:
        first, second = (completion_ids(model, pair.a.text, completion) for completion in pair.completions)
    except MeasurementError as error:
        return str(error)
    differing = (i for i, (x, y) in enumerate(zip(a.ids, b.ids, strict=True)) if x != y)
    return _Job(pair, a.ids, b.ids, min(differing, default=rows_a[0]), rows_a, (first, second))


@dataclass(frozen=True, slots=True)
class _Effects:
    """``[variants, pairs]``: NIE and NDE of each exchanged head."""

    nie: np.ndarray
    nde: np.ndarray


class _Batch:
    """Pairs of one shape: the tails of arm a, then of arm b (each once per completion if these are long)."""

    def __init__(self, net: PreTrainedModel, jobs: Sequence[_Job]) -> None:
        self.net, self.jobs = net, jobs
        first, second = jobs[0].completions
        self.single = len(first) == len(second) == 1
        self.copies = 1 if self.single else 2
        self.length, self.start = len(jobs[0].a), jobs[0].start
        self.device = net.device
        self.ids = torch.tensor(
            [
                [*ids, *self._continuation(job, copy)]
                for text in ("a", "b")
                for copy in range(self.copies)
                for job in jobs
                for ids in (getattr(job, text),)
            ],
            device=self.device,
        )
        half = self.copies * len(jobs)
        self.partner = torch.arange(2 * half, device=self.device).roll(half)

    def _continuation(self, job: _Job, copy: int) -> list[int]:
        if self.single:
            return []
        longest = max(len(c) for c in job.completions) - 1
        tokens = list(job.completions[copy][:-1])
        return tokens + [tokens[-1] if tokens else job.a[-1]] * (longest - len(tokens))

    def log_odds(self, hidden: torch.Tensor, start: int) -> np.ndarray:
        """``y = log p(c_1) − log p(c_2)``, ``[1 + variants, 2 (arms), pairs]`` in nats."""
        last, pairs = self.length - 1 - start, len(self.jobs)
        if self.single:
            firsts = [[c[0] for c in job.completions] for job in self.jobs]
            tokens = torch.tensor(firsts, device=self.device).repeat(2, 1)
            logits = token_logits(self.net, hidden[:, :, last], tokens).double()
            return (logits[..., 0] - logits[..., 1]).reshape(-1, 2, pairs).cpu().numpy()
        totals = torch.zeros(hidden.shape[0], 2, 2, pairs, dtype=torch.float64, device=self.device)
        split = hidden.reshape(hidden.shape[0], 2, 2, pairs, *hidden.shape[2:])
        for copy in range(2):
            for step in range(len(self.jobs[0].completions[copy])):
                wanted = torch.tensor([job.completions[copy][step] for job in self.jobs], device=self.device)
                states = split[:, :, copy, :, last + step]
                tokens = wanted.expand(states.shape[:-1]).reshape(-1)
                found = log_probabilities(self.net, states.reshape(-1, states.shape[-1]), tokens)
                totals[:, :, copy] += found.double().reshape(totals[:, :, copy].shape)
        return (totals[:, :, 0] - totals[:, :, 1]).cpu().numpy()

    @torch.no_grad()
    def route_error(self) -> float:
        """Largest difference, in nats, between log-odds of the tails and of whole texts, nothing edited.

        It shows families whose layers do what a tail over a shared prefix cannot express, such as a
        sliding window that is shorter than the text, or whose code does not let a batch grow.
        """
        whole = self.net.base_model(input_ids=self.ids, use_cache=False)[0]
        prefix = read_prefix(self.net, self.ids[: len(self.jobs), : self.start])
        tails = Tails(self.ids[:, self.start :], self.start, (), self.partner)
        layers = self.net.config.get_text_config().num_hidden_layers
        hidden, _ = branch(self.net, prefix, tails, [[0], *([] for _ in range(layers - 1))])
        return float(np.abs(self.log_odds(whole[None], 0) - self.log_odds(hidden, self.start)).max())

    def effects(
        self, prefix: KeyValues, start: int, rows: Sequence[int], heads: Sequence[Sequence[int]]
    ) -> tuple[_Effects, KeyValues]:
        """Exchange the given rows (text positions) for every chosen head, in both directions."""
        tails = Tails(self.ids[:, start:], start, tuple(row - start for row in rows), self.partner)
        hidden, seen = branch(self.net, prefix, tails, heads)
        y = self.log_odds(hidden, start)
        if not np.isfinite(y).all():
            raise MeasurementError(f"{self.jobs[0].pair.pair_id}: NaN or infinite logits under intervention")
        on_a, on_b = y[0, 0], y[0, 1]
        forward, nde = y[1:, 1] - on_b, y[1:, 0] - on_b
        return _Effects(natural_indirect_effect(forward, total_effect(on_a, on_b), nde), nde), seen


def _tried(model: LoadedModel, job: _Job) -> str | None:
    """Try the branching pass on one pair; why it is not exact."""
    try:
        error = _Batch(model.net, [job]).route_error()
    except (RuntimeError, TypeError) as failure:
        # A family's own code may not take positions, or may count on the batch that it was given.
        first = str(failure).strip().split("\n")[0]
        return f"interventions cannot be run on {type(model.net).__name__} ({first})"
    if error <= _ROUNDING.get(model.net.dtype, _COARSE_ROUNDING):
        return None
    return f"interventions are not exact on this model at this length (off by {error:.2g} nats)"


def _why_not_at_all(model: LoadedModel) -> str | None:
    """Why no head of a model can be intervened on in a branching pass."""
    if model.head != "causal-lm":
        return f"interventions need a decoder with a language-model head; this is an {model.family} ({model.head})"
    if not through_interface(model.net):
        return "interventions need queries and keys, and this family bypasses the attention interface"
    if model.anatomy.missing("self"):
        return "interventions need attention in every layer, and some layers of this model have none"
    return None


def _by_layer(chosen: frozenset[tuple[int, int]] | None, layers: int, heads: int) -> list[list[int]]:
    if chosen is None:
        return [list(range(heads)) for _ in range(layers)]
    return [sorted(h for at, h in chosen if at == layer) for layer in range(layers)]


def _table(values: np.ndarray, by_layer: Sequence[Sequence[int]], heads: int) -> np.ndarray:
    table = np.full((len(by_layer), heads), math.nan)
    order = [(layer, head) for layer, row in enumerate(by_layer) for head in row]
    for (layer, head), value in zip(order, values, strict=True):
        table[layer, head] = value
    return table


class CausalProbe:
    """Symmetric row-wise NIE and NDE of single heads (Pearl 2001; Vig et al. 2020, eq. 4–6, on log-odds).

    ``forward_h = y(x; A_h ← A_h(x')) − y(x)``, ``NDE_h = y(x'; A_h ← A_h(x)) − y(x)``,
    ``NIE_h = ½(forward_h + TE − NDE_h)`` with x = arm_b, x' = arm_a.
    """

    name = "causal"
    version = "1"
    stage = 2

    def __init__(self) -> None:
        self._checked: WeakKeyDictionary[LoadedModel, dict[tuple[object, ...], str | None]] = (
            WeakKeyDictionary()
        )

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs with completions, of the kinds that the config names."""
        return pair.completions is not None and pair.kind in config.causal.kinds

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        """Measure pairs of one contrast; a pair whose rows cannot be exchanged says why."""
        if reason := _why_not_at_all(model):
            for pair in pairs:
                yield HeadRecord(pair.pair_id, model.stream, {}, dict.fromkeys(("nie", "nie_next"), reason))
            return
        rows = [_by_layer(chosen, model.layers, model.heads) for chosen in (heads.pronoun, heads.next)]
        if not any(map(len, rows[0] + rows[1])):
            return
        shapes: dict[tuple[object, ...], list[_Job]] = defaultdict(list)
        for pair in pairs:
            job = _job(model, pair)
            if isinstance(job, str):
                yield HeadRecord(pair.pair_id, "self", {}, dict.fromkeys(("nie", "nie_next"), job))
            else:
                shapes[job.shape].append(job)
        for shape, jobs in shapes.items():
            if reason := self._why_inexact(model, shape, jobs[0]):
                for job in jobs:
                    yield HeadRecord(job.pair.pair_id, "self", {}, dict.fromkeys(("nie", "nie_next"), reason))
                continue
            variants = 1 + max(sum(map(len, by_layer)) for by_layer in rows)
            tail = len(jobs[0].a) - jobs[0].start
            size = max(1, _POSITIONS // (2 * variants * tail))
            for first in range(0, len(jobs), size):
                yield from self._measure_batch(model, jobs[first : first + size], *rows)

    def _why_inexact(self, model: LoadedModel, shape: tuple[object, ...], job: _Job) -> str | None:
        """Why texts of a shape cannot be intervened on exactly; found out once per model and shape."""
        known = self._checked.setdefault(model, {})
        if shape not in known:
            known[shape] = _tried(model, job)
        return known[shape]

    def _measure_batch(
        self, model: LoadedModel, jobs: Sequence[_Job], pronoun: list[list[int]], next_: list[list[int]]
    ) -> Iterator[Record]:
        batch, last = _Batch(model.net, jobs), len(jobs[0].a) - 1
        prefix = read_prefix(model.net, batch.ids[: len(jobs), : batch.start])
        found, seen = batch.effects(prefix, batch.start, jobs[0].rows, pronoun)
        measures = {"nie": (found.nie, pronoun), "nde": (found.nde, pronoun)}
        reasons: dict[str, str] = {}
        if jobs[0].rows[-1] == last:
            reasons["nie_next"] = "the pronoun's row is the predicting row"
        else:
            longer = prefix.extended(seen, last - batch.start)
            found, _ = batch.effects(longer, last, (last,), next_)
            measures |= {"nie_next": (found.nie, next_), "nde_next": (found.nde, next_)}
        for number, job in enumerate(jobs):
            tables = {n: _table(v[:, number], rows, model.heads) for n, (v, rows) in measures.items()}
            yield HeadRecord(job.pair.pair_id, "self", tables, reasons)
