"""Captured rows handed on in groups of layers, so that a pass never holds all of its attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from audit.records import Stream
from probes.anatomy import Anatomy
from probes.attention_call import ObservedCall
from probes.capture import StreamCapture
from probes.projection import ValueNorms

#: Weights that are held before they are handed on: 32 MiB of float32.
_HELD = 2**23

#: Told layers, their weights ``[texts, layers, heads, rows, keys]`` and norms ``[texts, layers, heads, keys]``.
Deliver = Callable[[tuple[int, ...], torch.Tensor, torch.Tensor | None], None]


class LayerGroups(StreamCapture):
    """Records rows of a pass; those of one stream are handed on and forgotten.

    Args:
        anatomy: of the model.
        wanted: stream → ``[texts, rows]`` query positions.
        norms: computes the value norms.
        stream: whose rows are handed on; those of others are kept.
        deliver: told of every group of layers, on the CPU.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        wanted: Mapping[Stream, torch.Tensor],
        norms: ValueNorms,
        stream: Stream,
        deliver: Deliver,
    ) -> None:
        super().__init__(anatomy, wanted, norms)
        self._stream, self._deliver = stream, deliver

    def record(self, call: ObservedCall, count: int) -> None:
        """Keep the wanted rows, and hand on what has become too much."""
        super().record(call, count)
        if sum(call.weights.numel() for _, call in self._by_layer(self._stream)) > _HELD:
            self.finish()

    def finish(self) -> None:
        """Hand on what is held; call it when the pass is over."""
        group = sorted(self._by_layer(self._stream), key=lambda entry: entry[0])
        if not group:
            return
        handed = {call.key for _, call in group}
        self.calls = [call for call in self.calls if call.key not in handed]
        norms = [call.norms for _, call in group if call.norms is not None]
        self._deliver(
            tuple(layer for layer, _ in group),
            torch.stack([call.weights.cpu() for _, call in group], 1),
            torch.stack(norms, 1).cpu() if len(norms) == len(group) else None,
        )
