"""What an intervention costs: the perplexity of text that has nothing to do with the arms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from probes.branch import Intervention, Kind, Place, Tails, branch, read_prefix
from probes.head import log_probabilities
from probes.model import LoadedModel

Head = tuple[int, int]

#: Token positions computed at once, over all interventions.
_POSITIONS = 4096


@torch.no_grad()
def perplexities(
    model: LoadedModel, texts: Iterable[str], sets: Sequence[frozenset[Head]], kind: Kind
) -> npt.NDArray[np.float64]:
    """Perplexity per token, ``exp(−Σ log p(t | left context) / tokens)``, unedited and with heads edited.

    The heads are edited at every token, which is what removing them would mean: an upper bound of the
    cost of editing one row.

    Args:
        model: a decoder whose attention goes through ``probes.route``.
        texts: neutral texts, each of at least two tokens with BOS.
        sets: heads that are edited together; none of them empty.
        kind: ``uniform`` or ``zero``; the other kinds need two arms or a suite.
    Returns:
        ``[1 + sets]``; index 0 unedited.
    """
    total, tokens = np.zeros(1 + len(sets)), 0
    for text in texts:
        ids = model.encode(text).ids
        rows = tuple(range(len(ids)))
        edits = [
            Intervention(tuple(Place(layer, head, rows) for layer, head in sorted(chosen)), kind)
            for chosen in sets
        ]
        size = max(1, _POSITIONS // len(ids) - 1)
        for first in range(0, max(len(edits), 1), size):
            found = _log_likelihoods(model, ids, edits[first : first + size])
            total[0] = total[0] + found[0] if first == 0 else total[0]
            total[1 + first : 1 + first + size] += found[1:]
        tokens += len(ids) - 1
    return np.asarray(np.exp(-total / tokens))


def _log_likelihoods(
    model: LoadedModel, ids: Sequence[int], edits: Sequence[Intervention]
) -> npt.NDArray[np.float64]:
    """``[1 + edits]`` nats of one text."""
    tokens = torch.tensor([ids], device=model.device)
    tails = Tails(tokens, 0, torch.tensor([0], device=model.device))
    hidden, _ = branch(model.net, read_prefix(model.net, tokens[:, :0]), tails, edits)
    states = hidden[:, 0, :-1]
    wanted = tokens[0, 1:].repeat(len(states))
    found = log_probabilities(model.net, states.reshape(-1, states.shape[-1]), wanted)
    sums: npt.NDArray[np.float64] = found.double().reshape(len(states), -1).sum(-1).cpu().numpy()
    return sums
