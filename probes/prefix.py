"""What texts share: the keys and values of their common prefixes, read once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from probes.attention_call import Attended, AttentionCall
from probes.route import instrument


@dataclass(slots=True)
class KeyValues:
    """Keys and values by layer, ``[texts, key-value heads, positions, d]``, after rotary embedding."""

    keys: list[torch.Tensor] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Positions held."""
        return self.keys[0].shape[2] if self.keys else 0

    @property
    def texts(self) -> int:
        """Texts held."""
        return self.keys[0].shape[0] if self.keys else 0

    def extended(self, tail: KeyValues, upto: int) -> KeyValues:
        """One set per tail: this prefix, repeated over arms, and the first ``upto`` tail positions."""
        if not self.keys:
            return KeyValues([t[:, :, :upto] for t in tail.keys], [t[:, :, :upto] for t in tail.values])
        repeat = tail.texts // self.texts

        def joined(before: list[torch.Tensor], after: list[torch.Tensor]) -> list[torch.Tensor]:
            repeated = [layer.repeat(repeat, 1, 1, 1) for layer in before]
            return [torch.cat([p, t[:, :, :upto]], 2) for p, t in zip(repeated, after, strict=True)]

        return KeyValues(joined(self.keys, tail.keys), joined(self.values, tail.values))


@torch.no_grad()
def read_prefix(net: PreTrainedModel, ids: torch.Tensor) -> KeyValues:
    """Keys and values of shared prefixes ``[prefixes, positions]`` (no padding)."""
    seen = KeyValues()

    def record(call: AttentionCall) -> Attended:
        seen.keys.append(call.key)
        seen.values.append(call.value)
        return call.attend()

    if ids.shape[1] == 0:
        return seen
    with instrument(record):
        net.base_model(input_ids=ids, use_cache=False)
    return seen
