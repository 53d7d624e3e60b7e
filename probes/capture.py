"""Captures the attention rows that are wanted, while SDPA computes the output.

Whole matrices are never stored: from the query and key that reach the attention interface only the
wanted query rows are turned into post-softmax weights, in float32 whatever the model's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from probes.attention_call import Attended, AttentionCall
from probes.projection import ValueNorms


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One attention call.

    Args:
        module: the attention module that made it.
        weights: ``[texts, heads, rows, keys]`` float32 post-softmax weights of the wanted rows.
        norms: ``[texts, heads, keys]`` float32 ``‖v_k W_O^h‖``; None where no output projection was found.
    """

    module: torch.nn.Module
    weights: torch.Tensor
    norms: torch.Tensor | None


class RowCapture:
    """An instrument for ``probes.route`` that records rows and changes nothing.

    Args:
        rows: ``[texts, rows]`` query positions; None for all of them.
        norms: computes the value norms; None leaves them out.
    """

    def __init__(self, rows: torch.Tensor | None, norms: ValueNorms | None = None) -> None:
        self.rows, self._norms = rows, norms
        self.calls: list[CapturedCall] = []

    def __call__(self, call: AttentionCall) -> Attended:
        """Record the rows and return what the call gives unrecorded."""
        weights = call.rows(self.rows)
        norms = self._norms(call.module, call.value, call.query.shape[1]) if self._norms is not None else None
        self.calls.append(CapturedCall(call.module, weights, norms))
        return call.attend()
