"""Which pairs can be intervened on exactly, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import torch

from audit.coreference import token_indices
from audit.errors import MeasurementError
from audit.pairs import PRONOUN, Pair
from audit.protocols import Encoding
from probes.completions import completion_ids
from probes.model import LoadedModel
from probes.route import through_interface
from probes.tail_batch import Job, Shape, TailBatch

#: Log-odds of the unedited tails may differ from those of whole texts by rounding only, in nats.
_ROUNDING = {torch.float32: 1e-3}
_COARSE_ROUNDING = 0.5


def prepare(model: LoadedModel, pairs: Iterable[Pair]) -> tuple[list[Job], dict[str, str]]:
    """Tokenise pairs for interventions.

    Args:
        model: of any family; most of them need reasons.
        pairs: of one suite and contrast.
    Returns:
        What can be intervened on exactly, and for every other pair the reason.
    """
    jobs: list[Job] = []
    reasons: dict[str, str] = {}
    never = _why_not_at_all(model)
    for pair in pairs:
        job = never or _job(model, pair)
        if isinstance(job, Job):
            job = _why_inexact(model, job) or job
        if isinstance(job, Job):
            jobs.append(job)
        else:
            reasons[pair.pair_id] = job
    return jobs, reasons


def _why_not_at_all(model: LoadedModel) -> str | None:
    """Why no head of a model can be intervened on in a branching pass."""
    if model.head != "causal-lm":
        return f"interventions need a decoder with a language-model head; this is an {model.family} ({model.head})"
    if not through_interface(model.net):
        return "interventions need queries and keys, and this family bypasses the attention interface"
    if model.anatomy.missing("self"):
        return "interventions need attention in every layer, and some layers of this model have none"
    return None


def why_not_exchangeable(
    a: Encoding, b: Encoding, rows_a: Sequence[int], rows_b: Sequence[int]
) -> str | None:
    """Attention rows can be exchanged only between texts with equally many tokens, alike elsewhere."""
    if len(a.ids) != len(b.ids):
        return f"attention rows cannot be exchanged: {len(a.ids)} against {len(b.ids)} tokens"
    if tuple(rows_a) != tuple(rows_b) or not rows_a:
        return "attention rows cannot be exchanged: the swapped words lie at different tokens"
    return None


def _job(model: LoadedModel, pair: Pair) -> Job | str:
    """Tokenise a pair for interventions; or say why its rows cannot be exchanged."""
    a, b = model.encode(pair.a.text), model.encode(pair.b.text)
    rows_a, rows_b = (
        token_indices(text.mentions.get(PRONOUN, text.swap[0]), encoding)
        for text, encoding in ((pair.a, a), (pair.b, b))
    )
    if reason := why_not_exchangeable(a, b, rows_a, rows_b):
        return reason
    if pair.completions is None:
        return "no completions: nothing to measure an effect on"
    try:
        first, second = (completion_ids(model, pair.a.text, completion) for completion in pair.completions)
    except MeasurementError as error:
        return str(error)
    differing = (i for i, (x, y) in enumerate(zip(a.ids, b.ids, strict=True)) if x != y)
    return Job(pair, a.ids, b.ids, min(differing, default=rows_a[0]), rows_a, (first, second))


_checked: WeakKeyDictionary[LoadedModel, dict[Shape, str | None]] = WeakKeyDictionary()


def _why_inexact(model: LoadedModel, job: Job) -> str | None:
    """Why texts of a shape cannot be intervened on exactly; found out once per model and shape."""
    known = _checked.setdefault(model, {})
    if job.shape not in known:
        known[job.shape] = _tried(model, job)
    return known[job.shape]


def _tried(model: LoadedModel, job: Job) -> str | None:
    """Try the branching pass on one pair; why it is not exact."""
    try:
        error = TailBatch(model, [job]).route_error()
    except (RuntimeError, TypeError) as failure:
        # A family's own code may not take positions, or may count on the batch that it was given.
        first = str(failure).strip().split("\n")[0]
        return f"interventions cannot be run on {type(model.net).__name__} ({first})"
    if error <= _ROUNDING.get(model.net.dtype, _COARSE_ROUNDING):
        return None
    return f"interventions are not exact on this model at this length (off by {error:.2g} nats)"
