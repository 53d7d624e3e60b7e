"""All interventions on a text's tail in one growing batch.

Two texts of a pair share their prefix, so its keys and values are computed once and never copied.
The tails of the texts, unedited, are the first copy of the batch; at layer l each intervention whose
first head lies there adds one more copy, in which its heads read as it says. Below that layer it costs
nothing; in it only the rows that it edits are computed; and in the last layer only the rows that are asked for.
Copies go through a layer in portions that fit the processor's cache, however many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

import torch
from transformers import PreTrainedModel

from probes.intervention import Intervention
from probes.layers import LayerCall, calls_at, decoder_layers, standing_in
from probes.prefix import KeyValues
from probes.route import instrument
from probes.tail_attention import Edit, Keys, KeysRead, TailAttention

#: Positions that go through a layer together: enough for fast products, few enough for the cache.
TOGETHER = 512

Rows = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tails:
    """What follows the prefixes.

    Args:
        ids: ``[texts, positions]``; text i continues prefix ``i mod prefixes``.
        start: position of the first tail token in its text.
        partner: ``[texts]``, index of each text's counterpart in the other arm.
        asked: rows whose final hidden states are asked for, ascending; None for all.
    """

    ids: torch.Tensor
    start: int
    partner: torch.Tensor
    asked: Rows | None = None

    @property
    def rows(self) -> Rows:
        """All rows."""
        return tuple(range(self.ids.shape[1]))

    @property
    def wanted(self) -> Rows:
        """Rows whose final hidden states are asked for."""
        return self.rows if self.asked is None else self.asked


@torch.no_grad()
def branch(
    net: PreTrainedModel, prefix: KeyValues, tails: Tails, interventions: Sequence[Intervention]
) -> tuple[torch.Tensor, KeyValues]:
    """Run the tails unedited, and once more under every intervention.

    Args:
        net: a decoder whose attention goes through ``probes.route``.
        prefix: keys and values of the shared prefixes.
        tails: the tails, ordered so that tail i continues prefix ``i mod prefixes``.
        interventions: what to edit; their rows count from the tail's first token.
    Returns:
        Final hidden states ``[1 + interventions, texts, wanted rows, width]`` (index 0: unedited; then in the
        order of ``interventions``), and the unedited tails' own keys and values.
    """
    pass_ = _Branching(net, prefix, tails, interventions)
    positions = torch.arange(tails.start, tails.start + len(tails.rows), device=tails.ids.device)[None]
    with standing_in(decoder_layers(net), pass_.layer):
        hidden = net.base_model(input_ids=tails.ids, position_ids=positions, use_cache=False)[0]
    hidden = hidden.reshape(-1, *tails.ids.shape, hidden.shape[-1])[:, :, list(tails.wanted)]
    return hidden[pass_.given_order], pass_.seen


class _Branching:
    """One pass: which copies there are at a layer, and what of them is computed there.

    Copy 0 is unedited; the others stand in the order in which they begin.
    """

    def __init__(
        self, net: PreTrainedModel, prefix: KeyValues, tails: Tails, interventions: Sequence[Intervention]
    ) -> None:
        self._net, self._prefix, self._tails = net, prefix, tails
        self._last = net.config.get_text_config().num_hidden_layers - 1
        begins = [(each.first, _first_rows(each)) for each in interventions]
        order = sorted(range(len(interventions)), key=begins.__getitem__)
        self.given_order = [0, *(1 + order.index(number) for number in range(len(order)))]
        self._joining: dict[int, list[tuple[Rows, int]]] = defaultdict(list)
        self._edits: dict[int, list[Edit]] = defaultdict(list)
        for copy, number in enumerate(order, 1):
            layer, rows = begins[number]
            self._joining[layer].append((rows, copy))
            for at, edit in _edits(interventions[number], copy):
                self._edits[at].append(edit)
        self._copies, self._there = 1 + len(order), 1
        parts = {
            self._computed(rows, layer) for layer, joining in self._joining.items() for rows, _ in joining
        }
        self._calls = self._calls_at({*parts, self._computed(tails.rows, self._last)} - {(), tails.rows})
        self.seen = KeyValues()

    def layer(self, call: LayerCall) -> torch.Tensor:
        """Run all copies that there are through a layer, and add those that begin in it."""
        texts = self._tails.ids.shape[0]
        if call.number == 0:
            self._states = call.hidden.new_empty(self._copies, *call.hidden.shape)
        if call.hidden.data_ptr() != self._states.data_ptr():  # at first, or where a family works on states
            self._states[: self._there] = call.hidden.unflatten(0, (-1, texts))
        before = self._states[0].clone()
        rows = self._computed(self._tails.rows, call.number)
        keys, values = self._prefix.keys, self._prefix.values
        attention = TailAttention(
            (keys[call.number], values[call.number]) if keys else None, self._tails.partner, rows
        )
        for some in _portions(range(self._there), texts * len(self._tails.rows)):
            self._continue(call, attention, some, rows)
        self.seen.keys.append(attention.key)
        self.seen.values.append(attention.value)
        for own, joining in groupby(self._joining[call.number], lambda each: each[0]):
            computed = self._computed(own, call.number)
            for some in _portions([copy for _, copy in joining], texts * max(1, len(computed))):
                self._join(call, attention, some, computed, before)
        return self._states[: self._there].flatten(0, 1)

    def _continue(self, call: LayerCall, attention: TailAttention, copies: range, rows: Rows) -> None:
        """Run some copies that are there already."""
        states = self._states[copies.start : copies.stop]
        batch, edits = states.flatten(0, 1), self._edits_in(call.number, copies, rows)
        if rows == self._tails.rows:
            with instrument(lambda own: attention.attend(own, own.key, own.value, edits)):
                states[:] = call.run(batch).view_as(states)
            return
        keys = Keys()
        with instrument(keys), suppress(KeysRead):
            call.run(batch)
        with instrument(lambda own: attention.attend(own, keys.key, keys.value, edits)):
            output = call.run(batch[:, list(rows)], self._call_at(rows, call.number))
        states[:, :, list(rows)] = output.unflatten(0, (len(copies), -1))

    def _join(
        self, call: LayerCall, attention: TailAttention, copies: range, rows: Rows, before: torch.Tensor
    ) -> None:
        """Add copies that differ from the unedited one from this layer on, here in some rows only."""
        states = self._states[copies.start : copies.stop]
        states[:] = self._states[0]
        self._there = copies.stop
        if not rows:
            return
        edits = self._edits_in(call.number, copies, rows)
        with instrument(lambda _: attention.borrow(len(copies), rows, edits)):
            batch = before[:, list(rows)].repeat(len(copies), 1, 1)
            output = call.run(batch, self._call_at(rows, call.number))
        states[:, :, list(rows)] = output.unflatten(0, (len(copies), -1))

    def _edits_in(self, layer: int, copies: range, rows: Rows) -> list[Edit]:
        """Edits of some copies, which are counted from the first of them."""
        return [
            edit._replace(copy=edit.copy - copies.start)
            for edit in self._edits[layer]
            if edit.copy in copies and edit.row in rows
        ]

    def _computed(self, rows: Rows, layer: int) -> Rows:
        """Those of some rows whose output is wanted of a layer."""
        return tuple(row for row in rows if layer < self._last or row in self._tails.wanted)

    def _calls_at(self, parts: Iterable[Rows]) -> dict[Rows, list[LayerCall]]:
        """How the family calls its layers for only some of the rows."""
        ids, start = self._tails.ids[:1], self._tails.start
        every = torch.arange(start, start + len(self._tails.rows), device=ids.device)[None]
        return {rows: calls_at(self._net, ids[:, list(rows)], every[:, list(rows)]) for rows in parts}

    def _call_at(self, rows: Rows, layer: int) -> LayerCall | None:
        return None if rows == self._tails.rows else self._calls[rows][layer]


def _first_rows(intervention: Intervention) -> Rows:
    """Rows that an intervention edits in its first layer."""
    places = (place for place in intervention.places if place.layer == intervention.first)
    return tuple(sorted({row for place in places for row in place.rows}))


def _edits(intervention: Intervention, copy: int) -> Iterator[tuple[int, Edit]]:
    """Layer by layer what an intervention edits."""
    for place in intervention.places:
        for row in place.rows:
            mean = intervention.means.get(place)
            yield place.layer, Edit(copy, place.head, row, intervention.kind, mean)


def _portions(copies: Sequence[int], positions: int) -> Iterator[range]:
    """Cut adjacent copies of so many positions each into equal parts that go through a layer together."""
    parts = -(-len(copies) // max(1, TOGETHER // positions))
    size = -(-len(copies) // parts)
    for first in range(copies[0], copies[-1] + 1, size):
        yield range(first, min(first + size, copies[-1] + 1))
