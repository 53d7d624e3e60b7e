"""What an intervention costs: the perplexity of text that has nothing to do with the arms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from audit.errors import MeasurementError
from probes.intervention import Intervention, Kind, Place
from probes.job import Job, Spot
from probes.model import LoadedModel
from probes.preparation import assign
from probes.questions import Input, Question

Head = tuple[int, int]


def perplexities(
    model: LoadedModel, texts: Iterable[str], sets: Sequence[frozenset[Head]], kind: Kind
) -> npt.NDArray[np.float64]:
    """Perplexity per token, ``exp(−Σ log p(t | left context) / tokens)``, unedited and with heads edited.

    The heads are edited at every token, which is what removing them would mean: an upper bound of the
    cost of editing one row. A text is asked about as a pair is, its own tokens being the answer.

    Args:
        model: a decoder.
        texts: neutral texts, each of at least two tokens with BOS.
        sets: heads that are edited together.
        kind: ``uniform`` or ``zero``; the other kinds need two arms or a suite.
    Returns:
        ``[1 + sets]``; index 0 unedited.
    Raises:
        MeasurementError: the model gives a text no likelihood, or cannot be intervened on exactly.
    """
    if model.family != "decoder" or model.head != "causal-lm":
        raise MeasurementError(
            f"perplexity needs a decoder with a language-model head (got {model.family}, {model.head})"
        )
    work, reasons = assign(model, [_job(model, text) for text in texts])
    if reasons:
        raise MeasurementError(next(iter(reasons.values())))
    total, tokens = np.zeros(1 + len(sets)), 0
    for each in work:
        rows = tuple(range(len(each.jobs[0].questions[0].inputs[0].ids)))
        edits = [
            Intervention(tuple(Place(layer, head, rows) for layer, head in sorted(chosen)), kind)
            for chosen in sets
        ]
        total += each.engine.log_odds(each.jobs, edits).sum(axis=(1, 2))
        tokens += sum(len(job.questions[0].first) for job in each.jobs)
    return np.asarray(np.exp(-total / tokens))


def _job(model: LoadedModel, text: str) -> Job:
    """One text, whose tokens are the answer: ``y`` is its log-likelihood."""
    ids = model.encode(text).ids
    cells = tuple((0, position, token) for position, token in enumerate(ids[1:]))
    asked = Question((Input(ids),), cells, ())
    return Job(text, (asked,), 0, Spot("self", ()), None)
