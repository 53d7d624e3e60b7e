"""Matrix products: how many operations work asks torch for, and how fast torch does them at best."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from probes.model import LoadedModel

PRODUCTS = "matrix products"
_TOKENS = (256, 512, 1024, 2048)
#: Seconds that each shape is multiplied for, at least.
_LONG = 0.15


def asked_for(work: Callable[[], object]) -> float:
    """Operations of all matrix products that torch is asked for; it does not count attention on a CPU."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def best_product(model: LoadedModel) -> float:
    """Operations a second of the fastest product, over the model's own shapes."""
    layer = model.net.base_model.layers[0]
    shapes = {module.weight.shape for module in layer.modules() if isinstance(module, torch.nn.Linear)}
    shapes.add(model.net.get_output_embeddings().weight.shape)
    return max(
        _rate(model.net.dtype, tokens, *shape) for shape in sorted(shapes, key=tuple) for tokens in _TOKENS
    )


@torch.no_grad()
def _rate(dtype: torch.dtype, tokens: int, out: int, width: int) -> float:
    states, weight = torch.randn(tokens, width, dtype=dtype), torch.randn(out, width, dtype=dtype)
    torch.matmul(states, weight.T)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < _LONG:
        torch.matmul(states, weight.T)
        count += 1
    return 2 * tokens * out * width * count / (time.perf_counter() - start)
