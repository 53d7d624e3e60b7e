"""What ablating a head, a layer or all attention takes from the total effect of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from audit.config import AblationKind
from audit.effects import total_effect
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import Array, HeadRecord, OutputRecord, Record
from probes.intervention import Intervention
from probes.mean_outputs import MeanOutputs, mean_outputs
from probes.model import LoadedModel
from probes.preparation import Work, prepare
from probes.read_heads import ReadHeads


def ablated_effects(
    model: LoadedModel, pairs: Sequence[Pair], kinds: Sequence[AblationKind], heads: HeadChoice
) -> Iterator[Record]:
    """Measure the fall of the total effect when heads are ablated in both texts.

    ``fall_h = TE − TE(h ablated)``, ``TE = y(arm_a) − y(arm_b)``: nats. It flips its sign when the texts are
    exchanged; where it has the sign of TE, the head carried part of it. ``zero`` takes a head's output away;
    ``mean`` puts its mean on neutral text there (:mod:`probes.mean_outputs`); ``uniform`` lets it read every
    visible token alike.

    Heads are ablated one by one at the row where they are read: ``zero``, ``mean``, ``uniform`` for the pronoun's,
    ``zero_next``, … for the predicting one. Where all heads are wanted, whole layers and the whole model are
    ablated, too, at every row that can differ between the texts: outputs ``zero_layer:L``, ``zero_model``, … of
    the pair, told at arm_a.

    Args:
        model: of any family.
        pairs: of one contrast, with completions.
        kinds: of ablation.
        heads: for the two rows.
    """
    if heads.pronoun == heads.next == frozenset():
        return
    work, reasons = prepare(model, pairs)
    for pair_id, reason in reasons.items():
        yield HeadRecord(pair_id, model.stream, {}, _undefined(kinds, reason))
    for each in work:
        yield from _measured(model, each, kinds, ReadHeads(model, each.jobs[0], heads), pairs[0].a.arm)


def _measured(
    model: LoadedModel, work: Work, kinds: Sequence[AblationKind], read: ReadHeads, arm: str
) -> Iterator[Record]:
    """Falls in jobs of one shape; a kind that the family does not allow says why."""
    means, refused = _means(model, kinds)
    done = [kind for kind in kinds if kind not in refused]
    edits = [_ablated(edit, kind, means) for kind in done for edit in read.edits]
    y = work.engine.log_odds(work.jobs, edits)
    te = total_effect(y[:, 0], y[:, 1])
    falls = (te[0] - te[1:]).reshape(len(done), len(read.edits), len(work.jobs))
    for number, job in enumerate(work.jobs):
        if job.unchanged:  # no effect to fall; a larger batch may still round
            falls[:, :, number] = 0
        effects: dict[str, Array] = {kind: falls[at, :, number] for at, kind in enumerate(done)}
        yield from read.records(job, effects, explained=done)
        yield from read.outputs(job, arm, effects, "ablated")
        for kind, reason in refused.items():
            yield HeadRecord(job.name, model.stream, {}, _undefined([kind], reason))
            for scope in read.scopes:
                yield OutputRecord(job.name, arm, f"{kind}_{scope}", None, reason=reason)


def _undefined(kinds: Sequence[AblationKind], reason: str) -> dict[str, str]:
    return {kind + suffix: reason for kind in kinds for suffix in ("", "_next")}


def _means(model: LoadedModel, kinds: Sequence[AblationKind]) -> tuple[MeanOutputs, dict[AblationKind, str]]:
    """The heads' mean outputs where they are wanted; or why they are not known."""
    if "mean" not in kinds:
        return {}, {}
    try:
        return mean_outputs(model), {}
    except MeasurementError as error:
        return {}, {"mean": str(error)}


def _ablated(edit: Intervention, kind: AblationKind, means: MeanOutputs) -> Intervention:
    """The same heads and rows, ablated."""
    if kind != "mean":
        return replace(edit, kind=kind)
    outputs = {place: means[place.stream, place.layer][place.head] for place in edit.places}
    return replace(edit, kind=kind, means=outputs)
