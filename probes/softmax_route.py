"""The way to instruments for families that bypass transformers' attention interface.

These compute whole matrices in their own code, so the softmax itself is watched: a forward hook of each
attention module opens a ``TorchFunctionMode`` that sees every softmax inside it. Without an instrument
no mode is opened and the model is the stock model under ``attn_implementation="eager"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from audit.errors import MeasurementError
from probes.attention_call import Attended, HeadRows, rows_of
from probes.route import watching

_SOFTMAX = (torch.nn.functional.softmax, torch.softmax, torch.Tensor.softmax)


@dataclass(frozen=True, slots=True)
class SoftmaxCall:
    """What a softmax inside an attention module gives.

    Args:
        module: the attention module.
        weights: ``[texts, heads, queries, keys]`` post-softmax weights, in the model's own dtype.
    """

    module: torch.nn.Module
    weights: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Texts, query heads, queries, keys."""
        texts, heads, queries, keys = self.weights.shape
        return texts, heads, queries, keys

    @property
    def value(self) -> None:
        """The softmax does not see the values."""
        return

    def rows(self, rows: torch.Tensor | None) -> torch.Tensor:
        """Weights of some query rows, as the model computed them.

        Args:
            rows: ``[texts, rows]`` query positions; None for all.
        Returns:
            ``[texts, heads, rows, keys]`` float32.
        """
        return rows_of(self.weights, rows, self.weights.shape[0]).float()

    def attend(self) -> Attended:
        """Let the weights pass."""
        return self.weights, None

    def scaled(self, heads: Sequence[int], factor: float) -> Attended:
        """Multiply the outputs of some heads: an output is linear in its weights."""
        weights = self.weights.clone()
        weights[:, list(heads)] *= factor
        return weights, None

    def picked(self, places: HeadRows) -> torch.Tensor:
        """Weights of single rows, ``[n, keys]`` float32."""
        return self.weights[places].float()

    def edited(self, places: HeadRows, weights: torch.Tensor) -> Attended:
        """Let single rows read along other weights.

        Args:
            places: the rows; one that is named twice gets the same weights twice.
            weights: ``[n, keys]``.
        """
        edited = self.weights.clone()
        edited[places] = weights.to(edited.dtype)
        return edited, None

    def replaced(self, attended: Attended, places: HeadRows, outputs: torch.Tensor) -> Attended:
        """Refuse: outputs are not seen at the softmax.

        Raises:
            MeasurementError: always.
        """
        raise MeasurementError("outputs of heads cannot be set: this family bypasses the attention interface")


class _Watch(TorchFunctionMode):
    """Hands the softmax of one attention module to the instrument."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        receive = watching()
        if func not in _SOFTMAX or receive is None:
            return result
        weights = _as_attention(self.module, result, args, kwargs or {})
        if weights is None:
            return result
        edited, _ = receive(SoftmaxCall(self.module, weights))
        return result if edited is weights else edited.reshape(result.shape)


def _as_attention(
    module: torch.nn.Module, result: torch.Tensor, args: Sequence[Any], kwargs: dict[str, Any]
) -> torch.Tensor | None:
    """A softmax's result as ``[texts, heads, queries, keys]``; None where it is no attention.

    Other softmaxes (ConvBERT's kernels) run over another axis or have another number of axes.
    """
    axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
    if axis not in (-1, result.ndim - 1):
        return None
    if result.ndim == 4:
        return result
    heads = getattr(module, "num_heads", None)
    if result.ndim == 3 and isinstance(heads, int) and result.shape[0] % heads == 0:
        return result.reshape(-1, heads, *result.shape[1:])
    return None


class _Search(TorchFunctionMode):
    """Notes in which module each softmax is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[torch.nn.Module] = []
        self.found: list[torch.nn.Module] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _SOFTMAX:
            module = next(
                (m for m in reversed(self.stack) if "softmax" not in type(m).__name__.lower()), None
            )
            if module is not None and _as_attention(module, result, args, kwargs or {}) is not None:
                self.found.append(module)
        return result


_handles: WeakKeyDictionary[PreTrainedModel, list[Any]] = WeakKeyDictionary()
_modules: WeakKeyDictionary[PreTrainedModel, tuple[torch.nn.Module, ...]] = WeakKeyDictionary()


def find_attention(net: PreTrainedModel, run: Callable[[], object]) -> None:
    """Find the attention modules of a network by running it once, and watch them from now on."""
    search = _Search()
    handles = []
    for module in net.modules():
        handles.append(module.register_forward_pre_hook(lambda m, _: search.stack.append(m)))
        handles.append(
            module.register_forward_hook(lambda *_: (search.stack.pop(), None)[1], always_call=True)
        )
    try:
        with search:
            run()
    finally:
        for handle in handles:
            handle.remove()
    _modules[net] = tuple(dict.fromkeys(search.found))
    attach(net)


def attach(net: PreTrainedModel) -> None:
    """Watch the attention modules that were found."""
    _handles[net] = [handle for module in _modules[net] for handle in _watch(module)]


def detach(net: PreTrainedModel) -> None:
    """Take every hook off: what is left is the stock model."""
    for handle in _handles.pop(net, []):
        handle.remove()


def _watch(module: torch.nn.Module) -> tuple[Any, Any]:
    opened: list[Any] = []

    def enter(*_: Any) -> None:
        if watching() is not None:
            mode: Any = _Watch(module)  # torch types neither end of a mode
            mode.__enter__()
            opened.append(mode)

    def leave(*_: Any) -> None:
        if opened:
            opened.pop().__exit__(None, None, None)

    return module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)
