"""Captures the attention rows that are wanted, while the model computes what it computes unwatched.

Whole matrices are never stored: only the wanted query rows are kept, as post-softmax weights in
float32 whatever the model's dtype.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from audit.records import Stream
from probes.anatomy import Anatomy, CallKey
from probes.attention_call import Attended, ObservedCall
from probes.projection import ValueNorms


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One attention call.

    Args:
        module: the attention module that made it.
        count: how many-th call of that module it was in the pass.
        weights: ``[texts, heads, rows, keys]`` float32 post-softmax weights of the wanted rows.
        norms: ``[texts, heads, keys]`` float32 ``‖v_k W_O^h‖``; None where they are not known.
    """

    module: torch.nn.Module
    count: int
    weights: torch.Tensor
    norms: torch.Tensor | None

    @property
    def key(self) -> CallKey:
        """What tells it from the other calls of a pass."""
        return self.module, self.count


class RowCapture:
    """An instrument that records rows of every call and changes nothing; for one pass.

    Args:
        rows: ``[texts, rows]`` query positions; None for all of them.
        norms: computes the value norms; None leaves them out.
    """

    def __init__(self, rows: torch.Tensor | None, norms: ValueNorms | None = None) -> None:
        self.rows, self._norms = rows, norms
        self.calls: list[CapturedCall] = []
        self._counts: Counter[torch.nn.Module] = Counter()

    def __call__(self, call: ObservedCall) -> Attended:
        """Record the rows and return what the call gives unrecorded."""
        count = self._counts[call.module]
        self._counts[call.module] += 1
        self.record(call, count)
        return call.attend()

    def record(self, call: ObservedCall, count: int) -> None:
        """Keep the wanted rows of a call."""
        self.keep(call, count, self.rows)

    def keep(self, call: ObservedCall, count: int, rows: torch.Tensor | None) -> None:
        """Keep some rows of a call."""
        norms = None
        if self._norms is not None and call.value is not None:
            norms = self._norms(call.module, call.value, call.shape[1])
        self.calls.append(CapturedCall(call.module, count, call.rows(rows), norms))


class StreamCapture(RowCapture):
    """Records rows of the streams that are wanted, and sorts them by layer.

    Args:
        anatomy: of the model.
        wanted: stream → ``[texts, rows]`` query positions; other streams are left out.
        norms: computes the value norms; None leaves them out.
    """

    def __init__(
        self, anatomy: Anatomy, wanted: Mapping[Stream, torch.Tensor], norms: ValueNorms | None = None
    ) -> None:
        super().__init__(None, norms)
        self.anatomy, self.wanted = anatomy, wanted

    def record(self, call: ObservedCall, count: int) -> None:
        """Keep the rows that are wanted of the call's stream."""
        place = self.anatomy.places[call.module, count]
        if place.stream in self.wanted and place.by_token:
            self.keep(call, count, self.wanted[place.stream])

    def weights(self, stream: Stream) -> torch.Tensor:
        """``[texts, layers, heads, rows, keys]`` on the CPU; NaN in layers that have no rows."""
        found = {layer: call.weights.cpu() for layer, call in self._by_layer(stream)}
        return self._stacked(stream, found)

    def norms(self, stream: Stream) -> torch.Tensor | None:
        """``[texts, layers, heads, keys]`` on the CPU, NaN likewise; None where they are not known."""
        found = {layer: call.norms for layer, call in self._by_layer(stream)}
        known = {layer: norms.cpu() for layer, norms in found.items() if norms is not None}
        return self._stacked(stream, known) if len(known) == len(found) else None

    def _by_layer(self, stream: Stream) -> list[tuple[int, CapturedCall]]:
        placed = ((self.anatomy.places[call.key], call) for call in self.calls)
        return [(place.layer, call) for place, call in placed if place.stream == stream]

    def _stacked(self, stream: Stream, found: Mapping[int, torch.Tensor]) -> torch.Tensor:
        like = next(iter(found.values()))
        empty = torch.full_like(like, float("nan"))
        return torch.stack([found.get(layer, empty) for layer in range(self.anatomy.layers[stream])], 1)
