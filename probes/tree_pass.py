"""Rows of prefix trees in one pass of a stock decoder: last hidden states, and predictions from them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers import PreTrainedModel

from probes.attention_call import Attended, AttentionCall
from probes.forward import forward, trial_tokens
from probes.head import log_probabilities
from probes.model import LoadedModel
from probes.prefix_tree import Row, prefix_tree
from probes.route import ROUTE, Instrument, instrument, watching

#: Last hidden states that are alike differ by rounding only, as a share of the largest one.
_ROUNDING = {torch.float32: 1e-4}
_COARSE_ROUNDING = 0.05


@torch.no_grad()
def read_rows(net: PreTrainedModel, rows: Sequence[Row]) -> torch.Tensor:
    """Run rows of prefix trees together; a node sees its ancestors and itself, at its depth's position.

    The network reads all nodes as one long text, without padding; only its attention lays them out in rows. An
    instrument that watches sees these.

    Args:
        net: a decoder that :func:`takes_trees`.
        rows: of any length.
    Returns:
        ``[rows, longest, width]`` last hidden states, after the last norm; what stands behind a shorter row
        means nothing.
    """
    laid = _Laid(rows, net.device, watching())
    ids, positions = (
        torch.tensor([[each for row in rows for each in part(row)]], device=net.device)
        for part in (attrgetter("ids"), attrgetter("depths"))
    )
    # The family hands a mask of four axes on as it is; the one that counts is laid out with the rows.
    mask = torch.ones(1, 1, 1, ids.shape[1], dtype=torch.bool, device=net.device)
    with instrument(laid):
        states: torch.Tensor = forward(net.base_model, ids, mask, position_ids=positions)[0]
    return states[0, laid.nodes]


class _Laid:
    """Attention of all nodes of a pass, row by row; hands the rows on to the instrument that watches.

    Args:
        rows: of prefix trees.
        device: of the network.
        watcher: receives the calls of all rows, if anybody watches.
    """

    def __init__(self, rows: Sequence[Row], device: torch.device, watcher: Instrument | None) -> None:
        lengths = [len(row.ids) for row in rows]
        longest = max(lengths)
        seen = np.broadcast_to(np.eye(longest, dtype=bool), (len(rows), longest, longest)).copy()
        nodes = np.zeros((len(rows), longest), dtype=np.int64)
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            seen[number, :length, :length] = row.ancestors()
            nodes[number, :length] = sum(lengths[:number]) + np.arange(length)
        real = np.arange(longest) < np.array(lengths)[:, None]
        #: ``[rows, longest]``: which node of the pass stands there; the first one behind a shorter row.
        self.nodes = torch.from_numpy(nodes).to(device)
        self._places = torch.from_numpy(np.flatnonzero(real)).to(device)
        self._mask = torch.from_numpy(seen)[:, None].to(device)
        self._watcher = watcher

    def __call__(self, call: AttentionCall) -> Attended:
        """Attend in rows."""
        query, key, value = (self._in_rows(each) for each in (call.query, call.key, call.value))
        rows = replace(call, query=query, key=key, value=value, mask=self._mask)
        output, _ = rows.attend() if self._watcher is None else self._watcher(rows)
        return output.flatten(0, 1)[self._places][None], None

    def _in_rows(self, states: torch.Tensor) -> torch.Tensor:
        """``[1, heads, nodes, d]`` → ``[rows, heads, longest, d]``."""
        heads, _, d = states[0].shape
        laid = states[0].index_select(1, self.nodes.flatten())
        return laid.view(heads, *self.nodes.shape, d).transpose(0, 1)


def log_probabilities_at(
    net: PreTrainedModel, states: torch.Tensor, cells: Sequence[tuple[int, int, int]]
) -> list[float]:
    """Log-probabilities of ``(row, node, token)``; each node meets the vocabulary once.

    Args:
        net: a decoder.
        states: ``[rows, nodes, width]`` last hidden states.
        cells: where a token is predicted, and which.
    """
    if not cells:
        return []
    nodes = {place: number for number, place in enumerate(dict.fromkeys(cell[:2] for cell in cells))}
    row, node = torch.tensor(list(nodes), device=states.device).T
    at = torch.tensor([nodes[cell[:2]] for cell in cells], device=states.device)
    token = torch.tensor([cell[2] for cell in cells], device=states.device)
    found: list[float] = log_probabilities(net, states[row, node], token, at).tolist()
    return found


#: Whether a network computes trees; found out once.
_known: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


def takes_trees(model: LoadedModel, longest: int) -> bool:
    """Whether trees of sequences up to a length are computed exactly, found out on a small one.

    No family is asked for by name: the network must take positions and a mask of its own, give the states
    that it gives each sequence alone, and its attention must reach over the whole length.
    """
    net = model.net
    if net not in _known:
        _known[net] = model.family == "decoder" and _is_exact(net)
    config = net.config.get_text_config()
    windows = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    return _known[net] and all(window is None or longest <= window for window in windows)


@torch.no_grad()
def _is_exact(net: PreTrainedModel) -> bool:
    takes = inspect.signature(net.base_model.forward).parameters
    if net.config._attn_implementation != ROUTE or not {"position_ids", "attention_mask"} <= set(takes):
        return False
    first = tuple(trial_tokens(net)[0].tolist())
    sequences = [first, (*first[:3], *first[:2]), (*first[:1], *first[3:])]
    tree = prefix_tree(sequences)
    try:
        states = read_rows(net, tree.rows)
    except (RuntimeError, TypeError, ValueError, IndexError):  # a family's own code counts on a plain mask
        return False
    bound = _ROUNDING.get(net.dtype, _COARSE_ROUNDING)
    for sequence in sequences:
        row, path = tree.paths[sequence]
        alone = forward(net.base_model, torch.tensor([sequence], device=net.device), None)[0][0]
        if not bool((states[row, list(path)] - alone).abs().max() <= bound * alone.abs().max()):
            return False
    return True
