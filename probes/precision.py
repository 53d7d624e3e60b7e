"""Float64 inside a decoder's blocks, one block at a time, for sums that float32 gets wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel

from probes.layers import decoder_layers


@contextmanager
def float64_blocks(net: PreTrainedModel) -> Iterator[None]:
    """Let the blocks of a float32 network on a CPU compute in float64; any other network is left as it is.

    Some texts drive activations of the residual stream to 25,000; float32 products then round by up
    to 1e-3 nats in a sentence's log-likelihood, differently on every processor, thread count and
    batch. A block's weights are widened (which loses nothing) when it is entered and given back when
    it is left, so that memory grows by one block and not by the model. Families with a kernel that
    has no float64 (grouped products of experts) are left as they are, too.
    """
    if net.dtype != torch.float32 or net.device.type != "cpu" or not _takes_float64(net):
        yield
        return
    with _widened_blocks(net):
        yield


#: Whether a network's kernels take float64; found out once.
_known: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


@torch.no_grad()
def _takes_float64(net: PreTrainedModel) -> bool:
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
            widened = _Widened(block, last=block is blocks[-1])
            stack.callback(widened.restore)
            for handle in (
                block.register_forward_pre_hook(widened.enter, with_kwargs=True),
                block.register_forward_hook(widened.leave),
            ):
                stack.callback(handle.remove)
        yield


class _Widened:
    """The weights of one block, and the copies that stand in for them during its pass."""

    def __init__(self, block: torch.nn.Module, *, last: bool) -> None:
        tensors = (*block.parameters(), *block.buffers())
        self._kept = [(tensor, tensor.data) for tensor in tensors if tensor.is_floating_point()]
        self._last = last

    def enter(self, _block: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for tensor, data in self._kept:
            tensor.data = data.double()
        return tuple(map(_double, args)), {name: _double(value) for name, value in kwargs.items()}

    def leave(self, _block: torch.nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        self.restore()
        return _float(output) if self._last else output

    def restore(self) -> None:
        for tensor, data in self._kept:
            tensor.data = data


def _double(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _float(output: Any) -> Any:
    """Hidden states, alone or first in a tuple or list."""
    if isinstance(output, tuple | list):
        return (output[0].float(), *output[1:])
    return output.float()
