"""Compares the rows of the two texts of each pair as soon as a pass has them, and forgets them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.pairs import Pair
from probes.model import LoadedModel
from probes.row_measures import Arm, Found, own_stream
from probes.rows import ReadText, RowPlan, Tokens
from probes.token_sequence import CapturedRows


class PairRows:
    """Measures of the stream that reads the texts; no attention outlives the layers that it belongs to.

    Args:
        model: that reads.
        pairs: of a batch.
        plans: pair id → the rows that belong to it.
        rows: text → all query tokens that are captured of it, ascending.
    """

    def __init__(
        self,
        model: LoadedModel,
        pairs: Sequence[Pair],
        plans: Mapping[str, RowPlan],
        rows: Mapping[str, Tokens],
    ) -> None:
        self._model, self._pairs, self._plans, self._rows = model, pairs, plans, rows
        self._of_text: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            for text in {pair.a.text, pair.b.text}:
                self._of_text[text].append(pair)
        self._held: dict[str, dict[int, CapturedRows]] = defaultdict(dict)
        self._done: dict[str, set[int]] = {pair.pair_id: set() for pair in pairs}
        self.measures: dict[str, Found] = {}

    def receive(self, captured: Mapping[str, CapturedRows]) -> None:
        """Take rows of texts, and measure every pair both of whose texts are there.

        Args:
            captured: text → its rows in some layers.
        """
        for text, rows in captured.items():
            self._held[text].update(_by_layer(rows))
        touched = {pair.pair_id: pair for text in captured for pair in self._of_text[text]}
        for pair in touched.values():
            self._measure(pair)
        for text in {text for pair in touched.values() for text in (pair.a.text, pair.b.text)}:
            used = set.intersection(*(self._done[pair.pair_id] for pair in self._of_text[text]))
            for layer in used & self._held[text].keys():
                del self._held[text][layer]

    def _measure(self, pair: Pair) -> None:
        """Measure the layers that are there of both texts, and were not before."""
        plan = self._plans[pair.pair_id]
        held = self._held[pair.a.text], self._held[pair.b.text]
        layers = sorted((held[0].keys() & held[1].keys()) - self._done[pair.pair_id])
        if not layers:
            return
        a, b = (
            self._arm(read, [rows[layer] for layer in layers])
            for read, rows in zip((plan.a, plan.b), held, strict=True)
        )
        found, reasons = own_stream(self._model, pair, plan, a, b)
        measures, _ = self.measures.setdefault(pair.pair_id, ({}, reasons))
        for name, values in found.items():
            if name not in measures:
                every = self._model.anatomy.layers[self._model.stream]
                measures[name] = np.full((every, values.shape[1]), np.nan)
            measures[name][layers] = values
        self._done[pair.pair_id].update(layers)

    def _arm(self, read: ReadText, rows: Sequence[CapturedRows]) -> Arm:
        weights = np.concatenate([each.weights for each in rows], dtype=np.float64)
        norms = [each.norms for each in rows if each.norms is not None]
        of_keys = np.concatenate(norms) if len(norms) == len(rows) else None
        return Arm(read, self._rows[read.text.text], weights, of_keys)


def _by_layer(rows: CapturedRows) -> Iterator[tuple[int, CapturedRows]]:
    """Rows layer by layer, without a copy."""
    for number, layer in enumerate(rows.layers):
        one = slice(number, number + 1)
        norms = None if rows.norms is None else rows.norms[one]
        yield layer, CapturedRows((layer,), rows.weights[one], norms)
