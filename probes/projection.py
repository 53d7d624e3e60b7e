"""How much of a value vector reaches the residual stream through a head's output projection."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from transformers.pytorch_utils import Conv1D

#: What families call the output projection inside the attention module.
_NAMES = ("o_proj", "c_proj", "out_proj", "dense", "out_lin", "o", "Wo")
#: In BERT and what was made after it, the attention module's neighbour holds it.
_NEIGHBOUR = "output"


def output_weight(
    module: torch.nn.Module, width: int, parent: torch.nn.Module | None = None
) -> torch.Tensor | None:
    """The output projection ``W_O`` of an attention module.

    Args:
        module: what transformers hands to the attention interface.
        width: heads times value width, which ``W_O`` must take in.
        parent: the module that holds this one, if that is known.
    Returns:
        ``[width, hidden]`` weights; None where no such projection is found in the module or beside it.
    """
    own = _projection(module, width)
    return own if own is not None else _projection(getattr(parent, _NEIGHBOUR, None), width)


def _projection(module: torch.nn.Module | None, width: int) -> torch.Tensor | None:
    for name in _NAMES:
        projection = getattr(module, name, None)
        weight = getattr(projection, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or not weight.is_floating_point():
            continue
        rows = weight if isinstance(projection, Conv1D) else weight.mT
        if rows.shape[0] == width:
            return rows.detach()
    return None


class ValueNorms:
    """Computes ``‖v_k W_O^h‖`` (Kobayashi et al. 2020, eq. 3) without forming ``v_k W_O^h``.

    With the reduced QR decomposition ``W_O^hᵀ = Q R``, the norm is ``‖v_k Rᵀ‖``: d numbers a key
    instead of the whole hidden width. R is computed once a module.

    Args:
        net: the network that holds the attention modules; None where they hold their own projections.
    """

    def __init__(self, net: torch.nn.Module | None = None) -> None:
        self._parents = {child: parent for parent in _modules(net) for child in parent.children()}
        self._factors: dict[torch.nn.Module, torch.Tensor | None] = {}

    def __call__(self, module: torch.nn.Module, value: torch.Tensor, heads: int) -> torch.Tensor | None:
        """Norms of one attention call.

        Args:
            module: the attention module.
            value: ``[texts, key-value heads, keys, d]``.
            heads: query heads.
        Returns:
            ``[texts, heads, keys]`` float32; None where the output projection was not found.
        """
        texts, shared, keys, d = value.shape
        factor = self._factor(module, heads, d)
        if factor is None:
            return None
        grouped = factor.reshape(shared, heads // shared, d, d)
        products = value.float()[:, :, None] @ grouped
        norms: torch.Tensor = torch.linalg.vector_norm(products, dim=-1)
        return norms.reshape(texts, heads, keys)

    def _factor(self, module: torch.nn.Module, heads: int, d: int) -> torch.Tensor | None:
        if module not in self._factors:
            weight = output_weight(module, heads * d, self._parents.get(module))
            by_head = None if weight is None else weight.float().reshape(heads, d, -1)
            self._factors[module] = None if by_head is None else _right_factor(by_head)
        return self._factors[module]


def _modules(net: torch.nn.Module | None) -> Iterable[torch.nn.Module]:
    return () if net is None else net.modules()


def _right_factor(weight: torch.Tensor) -> torch.Tensor:
    """``Rᵀ`` of each head's ``W_O^hᵀ = Q R``: ``[heads, d, hidden]`` → ``[heads, d, d]``."""
    heads, d, hidden = weight.shape
    if hidden < d:
        padding = weight.new_zeros(heads, d, d - hidden)
        return torch.cat([weight, padding], -1)
    triangular: torch.Tensor = torch.linalg.qr(weight.mT, mode="r").R
    return triangular.transpose(-1, -2)
