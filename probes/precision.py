"""A wider dtype inside a decoder's blocks, one block at a time, for sums that the network's own gets wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel

from probes.layers import decoder_layers


@contextmanager
def wider_blocks(net: PreTrainedModel) -> Iterator[None]:
    """Let the blocks of a network on a CPU compute in float64 if it is float32, else in float32.

    Some texts drive activations of the residual stream to 25,000; float32 products then round by up
    to 1e-3 nats in a sentence's log-likelihood, differently on every processor, thread count and
    batch, and bf16 by up to 12 nats. A block's weights are widened (which loses nothing) when it is entered
    and given back when it is left, so that memory grows by one block and not by the model. A network
    elsewhere, and families with a kernel that takes no other dtype (grouped products of experts), are left
    as they are.
    """
    if net.device.type != "cpu" or not _takes_wider(net):
        yield
        return
    with _widened_blocks(net):
        yield


#: Whether a network's kernels take the wider dtype; found out once.
_known: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


@torch.no_grad()
def _takes_wider(net: PreTrainedModel) -> bool:
    if net not in _known:
        try:
            with _widened_blocks(net):
                net.base_model(input_ids=torch.tensor([[0, 1]]), use_cache=False)
            _known[net] = True
        except RuntimeError:  # torch's error for a dtype that a kernel does not take
            _known[net] = False
    return _known[net]


@contextmanager
def _widened_blocks(net: PreTrainedModel) -> Iterator[None]:
    blocks = decoder_layers(net)
    with ExitStack() as stack:
        for block in blocks:
            widened = _Widened(block, net.dtype, last=block is blocks[-1])
            stack.callback(widened.restore)
            for handle in (
                block.register_forward_pre_hook(widened.enter, with_kwargs=True),
                block.register_forward_hook(widened.leave),
            ):
                stack.callback(handle.remove)
        yield


class _Widened:
    """The weights of one block, and the copies that stand in for them during its pass."""

    def __init__(self, block: torch.nn.Module, own: torch.dtype, *, last: bool) -> None:
        tensors = (*block.parameters(), *block.buffers())
        self._kept = [(tensor, tensor.data) for tensor in tensors if tensor.is_floating_point()]
        self._own = own
        self._wider = torch.float64 if own == torch.float32 else torch.float32
        self._last = last

    def enter(self, _block: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for tensor, data in self._kept:
            tensor.data = data.to(self._wider)
        return tuple(map(self._widen, args)), {name: self._widen(value) for name, value in kwargs.items()}

    def leave(self, _block: torch.nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        self.restore()
        return self._narrow(output) if self._last else output

    def restore(self) -> None:
        for tensor, data in self._kept:
            tensor.data = data

    def _widen(self, value: Any) -> Any:
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(self._wider) if floating else value

    def _narrow(self, output: Any) -> Any:
        """Hidden states, alone or first in a tuple or list."""
        if isinstance(output, tuple | list):
            return (output[0].to(self._own), *output[1:])
        return output.to(self._own)
