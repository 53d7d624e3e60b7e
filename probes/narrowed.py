"""Lets the head of a masked model meet only the positions that are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from probes.model import LoadedModel


@contextmanager
def narrowed(model: LoadedModel, places: Sequence[Sequence[int]]) -> Iterator[None]:
    """Give the head of a masked model only some of the last hidden states.

    It works position by position, and its vocabulary is most of the cost of a short text.

    Args:
        model: a masked model.
        places: for each text of the pass its positions; the logits have them in this order, and others behind
            where another text has more.
    """
    width = max(map(len, places))
    padded = [[*row, *[0] * (width - len(row))] for row in places]
    columns = torch.tensor(padded, device=model.device)
    rows = torch.arange(len(padded), device=model.device)[:, None]

    def narrow(_module: torch.nn.Module, _args: Any, output: Any) -> Any:
        states = output[0][rows, columns]
        if isinstance(output, tuple):
            return (states, *output[1:])
        output["last_hidden_state"] = states
        return output

    handle = model.net.base_model.register_forward_hook(narrow)
    try:
        yield
    finally:
        handle.remove()
