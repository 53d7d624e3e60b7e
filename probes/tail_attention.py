"""Attention of tails over the prefix that they share and over themselves, with single rows edited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch

from probes.attention_call import Attended, AttentionCall
from probes.intervention import Kind


class Edit(NamedTuple):
    """One attention row of one copy of the tails.

    Args:
        copy: which copy, of those that one call holds.
        head: query head.
        row: of the tail.
        kind: what takes the row's place.
        mean: ``[d]``, for ``mean`` what takes the place of the head's output.
    """

    copy: int
    head: int
    row: int
    kind: Kind
    mean: torch.Tensor | None


class KeysRead(Exception):
    """A layer's keys and values are known, and nothing behind them is wanted."""


class Keys:
    """An instrument that keeps the keys and values of a call and goes no further."""

    def __call__(self, call: AttentionCall) -> Attended:
        """Keep them.

        Raises:
            KeysRead: always.
        """
        self.key, self.value = call.key, call.value
        raise KeysRead


class TailAttention:
    """The attention of one layer, for some copies of the tails after the others.

    The first call begins with the unedited copy, whose rows the others borrow.

    Args:
        prefix: keys and values ``[prefixes, key-value heads, positions, d]`` of what tail i continues, at
            ``i mod prefixes``; None where the tails begin their texts.
        partner: ``[texts]``, index of each text's counterpart in the other arm.
        rows: of the tails, ascending; the others are not computed.
    """

    def __init__(
        self, prefix: tuple[torch.Tensor, torch.Tensor] | None, partner: torch.Tensor, rows: Sequence[int]
    ) -> None:
        self._prefix, self._partner = prefix, partner
        self._rows = torch.tensor(rows, device=partner.device)
        self._at = {row: index for index, row in enumerate(rows)}
        self._width = 0 if prefix is None else prefix[0].shape[2]
        self._known = False

    def attend(
        self, call: AttentionCall, key: torch.Tensor, value: torch.Tensor, edits: Sequence[Edit]
    ) -> Attended:
        """Compute the rows of whole copies of the tails.

        Args:
            call: its queries are the rows'.
            key, value: of all rows of the tails.
            edits: what is edited in the copies.
        """
        weights, texts = self._weights(call, key), len(self._partner)
        if not self._known:
            self._known = True
            self.key, self.value = key[:texts], value[:texts]
            self._unedited = weights[:texts].clone() if edits else weights[:texts]
        return self._attended(weights, value, self._at, edits)

    def borrow(self, copies: int, rows: Sequence[int], edits: Sequence[Edit]) -> Attended:
        """Some of the rows of copies that are edited in this layer, but in none before.

        Args:
            copies: how many.
            rows: of the tail, among those that are computed.
            edits: what is edited in the copies, in these rows.
        """
        own = self._unedited[:, :, [self._at[row] for row in rows]].repeat(copies, 1, 1, 1)
        return self._attended(own, self.value, {row: index for index, row in enumerate(rows)}, edits)

    def _weights(self, call: AttentionCall, key: torch.Tensor) -> torch.Tensor:
        """Post-softmax weights ``[texts, heads, rows, keys]``."""
        batch, heads, steps, d = call.query.shape
        grouped = call.query.reshape(batch, key.shape[1], -1, d)
        products = grouped @ key.mT
        if self._prefix is not None:
            products = torch.cat([_shared_product(grouped, self._prefix[0].mT), products], -1)
        scores = call.capped(products.float().reshape(batch, heads, steps, -1))
        if key.shape[2] > 1:
            future = torch.arange(key.shape[2], device=key.device) > self._rows[:, None]
            scores[..., self._width :].masked_fill_(future, float("-inf"))
        return call.softmax(scores).to(key.dtype)

    def _attended(
        self, weights: torch.Tensor, value: torch.Tensor, at: dict[int, int], edits: Sequence[Edit]
    ) -> Attended:
        """Edit weights, read the values along them, and edit what was read."""
        batch, heads, steps, _ = weights.shape
        by_kind: dict[Kind, list[Edit]] = defaultdict(list)
        for edit in edits:
            by_kind[edit.kind].append(edit)
        for kind, some in by_kind.items():
            self._edit_weights(weights, kind, some, at)
        grouped = weights.reshape(batch, value.shape[1], -1, weights.shape[-1])
        out = _shared_product(grouped[..., self._width :], value)
        if self._prefix is not None:
            out = out + _shared_product(grouped[..., : self._width], self._prefix[1])
        out = out.reshape(batch, heads, steps, -1)
        if means := by_kind.get("mean"):
            copy, head, row = self._places(means, at)
            given = torch.stack([each.mean for each in means if each.mean is not None])
            self._copies(out)[copy, :, head, row] = given[:, None].to(out)
        return out.transpose(1, 2), None

    def _edit_weights(
        self, weights: torch.Tensor, kind: Kind, edits: Sequence[Edit], at: dict[int, int]
    ) -> None:
        own = self._copies(weights)
        copy, head, row = self._places(edits, at)
        match kind:
            case "exchange":
                lent = torch.tensor([self._at[edit.row] for edit in edits], device=weights.device)
                own[copy, :, head, row] = self._unedited[self._partner][:, head, lent].transpose(0, 1)
            case "arms-mean":
                mine = own[copy, :, head, row]
                own[copy, :, head, row] = (mine + mine[:, self._partner]) / 2
            case "uniform":
                tail = torch.tensor([edit.row for edit in edits], device=weights.device)
                visible = (self._width + tail + 1)[:, None]
                seen = torch.arange(weights.shape[-1], device=weights.device) < visible
                own[copy, :, head, row] = (seen / visible).to(weights)[:, None]
            case "zero" | "mean":
                own[copy, :, head, row] = 0

    def _copies(self, batch: torch.Tensor) -> torch.Tensor:
        """``[copies, texts, …]``."""
        return batch.view(-1, len(self._partner), *batch.shape[1:])

    def _places(self, edits: Sequence[Edit], at: dict[int, int]) -> tuple[torch.Tensor, ...]:
        """Copies, heads and rows of the edits, each ``[n]``."""
        places = [(edit.copy, edit.head, at[edit.row]) for edit in edits]
        return torch.tensor(places, device=self._rows.device).unbind(1)


def _shared_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Multiply ``[copies · n, kv, m, x]`` by ``[n, kv, x, y]`` without copying the right side."""
    batch, kv, m, x = left.shape
    shared = right.shape[0]
    if shared == batch:
        return left @ right
    copies = batch // shared
    folded = left.reshape(copies, shared, kv, m, x).permute(1, 2, 0, 3, 4).reshape(shared, kv, copies * m, x)
    product = (folded @ right).reshape(shared, kv, copies, m, -1)
    return product.permute(2, 0, 1, 3, 4).reshape(batch, kv, m, -1)
