"""Training that takes seconds and gives the same weights each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Seed torch for what is done inside, on one thread; nothing outside notices."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def fit(
    parameters: Iterable[nn.Parameter],
    loss: Callable[[Tensor], Tensor],
    count: int,
    *,
    steps: int,
    rate: float,
    batch: int = 64,
) -> None:
    """Minimise a loss over batches of examples drawn anew in each step.

    Args:
        parameters: what is trained; all else is frozen.
        loss: `[batch]` numbers of examples → their loss.
        count: examples there are.
        steps: batches; the rate rises and falls once over them.
        rate: the highest.
        batch: examples in each.
    """
    trained = list(parameters)
    optimiser = torch.optim.Adam(trained, lr=rate)
    schedule = OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(torch.randint(count, (batch,))).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()


def soft_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy in nats: `[B, C]` logits against `[B, C]` probabilities that need not be 0 or 1."""
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()
