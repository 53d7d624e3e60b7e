"""The published way: one forward of the stock model per head, one attention row of it exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.masking_utils import eager_mask

Array = npt.NDArray[np.float64]
_NAME = "benchmark"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two texts of equal length that lend each other attention rows.

    Args:
        ids: tokens of arm a and arm b, each with BOS.
        rows: the tokens whose rows are exchanged.
        answers: the tokens of which the log-odds are taken after the texts.
    """

    ids: tuple[tuple[int, ...], tuple[int, ...]]
    rows: tuple[int, ...]
    answers: tuple[int, int]


def symmetric_nie(y: Array, edited: Array) -> Array:
    """``½ (forward + TE − NDE)``, as methods 5 defines it.

    Args:
        y: `[2]` log-odds of arm a and arm b.
        edited: `[heads, 2]` the same with each head's rows lent by the other arm.
    """
    forward, nde = edited[:, 1] - y[1], edited[:, 0] - y[1]
    return np.asarray((forward + (y[0] - y[1]) - nde) / 2)


class OneByOne:
    """The stock model, both texts in one batch, so that one forward serves both directions of a head."""

    def __init__(self, folder: Path) -> None:
        AttentionInterface.register(_NAME, self._attend)
        AttentionMaskInterface.register(_NAME, eager_mask)
        self._net = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=_NAME).eval()
        self._seen: dict[int, torch.Tensor] = {}
        self._edit: tuple[int, int, Sequence[int]] | None = None

    @torch.no_grad()
    def effects(self, exchange: Exchange) -> Array:
        """`[heads]` NIE of all heads, layer by layer."""
        self._edit = None
        y = self._log_odds(exchange)
        config = self._net.config
        places = np.ndindex(config.num_hidden_layers, config.num_attention_heads)
        edited = []
        for layer, head in places:
            self._edit = (layer, head, exchange.rows)
            edited.append(self._log_odds(exchange))
        return symmetric_nie(y, np.stack(edited))

    def _log_odds(self, exchange: Exchange) -> Array:
        last = self._net(input_ids=torch.tensor(exchange.ids), use_cache=False).logits[:, -1].double()
        return np.asarray((last[:, exchange.answers[0]] - last[:, exchange.answers[1]]).numpy())

    def _attend(
        self, module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float, **_: Any
    ) -> Any:
        groups = query.shape[1] // key.shape[1]
        key, value = (each.repeat_interleave(groups, 1) for each in (key, value))
        weights = (query @ key.mT * scaling + mask).softmax(-1)
        if self._edit is None:
            self._seen[module.layer_idx] = weights.clone()
        elif self._edit[0] == module.layer_idx:
            _, head, rows = self._edit
            for row in rows:
                weights[:, head, row] = self._seen[module.layer_idx].flip(0)[:, head, row]
        return (weights @ value).transpose(1, 2), weights
