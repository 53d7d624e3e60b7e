"""Sets of heads as interventions: single heads, whole layers, the whole model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.records import Stream
from probes.intervention import Intervention, Place
from probes.job import Job, Spot
from probes.model import LoadedModel

Head = tuple[int, int]


def heads_of(model: LoadedModel, stream: Stream, chosen: frozenset[Head] | None) -> list[Head]:
    """Heads of a stream in order, without layers that have no attention by token; None stands for all."""
    missing = model.anatomy.missing(stream)
    shape = (model.anatomy.layers[stream], model.anatomy.heads[stream])
    heads = sorted(np.ndindex(shape)) if chosen is None else sorted(chosen)
    return [(layer, head) for layer, head in heads if layer not in missing]


def single_heads(heads: Sequence[Head], spot: Spot) -> list[Intervention]:
    """One intervention per head: it reads the rows along the other text's attention."""
    return [Intervention((Place(layer, head, spot.rows, spot.stream),)) for layer, head in heads]


def whole_scopes(model: LoadedModel, job: Job) -> dict[str, Intervention]:
    """All heads of a layer of the stack that reads the text, and of the model, at every row that can differ.

    In a decoder these are the rows from the first differing token on. An encoder–decoder's model has the
    decoder's own attention and its cross-attention, too. Rows of the answer's later tokens stay as they are.
    """
    found = {
        f"layer:{layer}": Intervention(_layer(model, job, model.stream, layer))
        for layer in range(model.layers)
        if layer not in model.anatomy.missing(model.stream)
    }
    if any(model.anatomy.missing(stream) for stream in model.anatomy.layers):
        return found
    places = (
        place
        for stream, layers in model.anatomy.layers.items()
        for layer in range(layers)
        for place in _layer(model, job, stream, layer)
    )
    return found | {"model": Intervention(tuple(places))}


def _layer(model: LoadedModel, job: Job, stream: Stream, layer: int) -> tuple[Place, ...]:
    rows = _rows(model, job, stream)
    return tuple(Place(layer, head, rows, stream) for head in range(model.anatomy.heads[stream]))


def _rows(model: LoadedModel, job: Job, stream: Stream) -> tuple[int, ...]:
    """Rows of a stream that can differ between the two texts."""
    if job.following is not None and model.decodes and stream != "encoder":
        return tuple(range(job.following.rows[0] + 1))
    if job.following is not None and model.family == "decoder":
        return tuple(range(job.start, job.following.rows[0] + 1))
    return tuple(range(len(job.questions[0].inputs[0].ids)))
