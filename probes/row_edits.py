"""Edits attention rows of some texts of a batch that holds every text once per intervention."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch

from audit.errors import MeasurementError
from audit.records import Stream
from probes.anatomy import Anatomy
from probes.attention_call import Attended, HeadRows, ObservedCall
from probes.intervention import Intervention, Kind

#: A copy of the texts, and the head and row that are edited in it.
_Edit = tuple[int, int, int]


class RowEdits:
    """An instrument for one pass over ``[1 + interventions] × texts``, the unedited texts first.

    Args:
        anatomy: of the model.
        interventions: what is edited in the copies.
        partner: ``[texts]``, index of each text's counterpart in the other arm.
    """

    def __init__(
        self, anatomy: Anatomy, interventions: Sequence[Intervention], partner: torch.Tensor
    ) -> None:
        self._anatomy, self._partner = anatomy, partner
        self._copies = 1 + len(interventions)
        self._edits: dict[tuple[Stream, int], dict[Kind, list[_Edit]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._means: dict[tuple[Stream, int], list[torch.Tensor]] = defaultdict(list)
        for copy, intervention in enumerate(interventions, 1):
            for place in intervention.places:
                edits = self._edits[place.stream, place.layer][intervention.kind]
                edits += [(copy, place.head, row) for row in place.rows]
                if intervention.kind == "mean":
                    self._means[place.stream, place.layer] += [intervention.means[place]] * len(place.rows)
        self._counts: Counter[torch.nn.Module] = Counter()
        self._done: set[tuple[Stream, int]] = set()

    def __call__(self, call: ObservedCall) -> Attended:
        """Edit the rows of one call.

        Raises:
            MeasurementError: the call does not hold the texts of the batch.
        """
        place = self._anatomy.places[call.module, self._counts[call.module]]
        self._counts[call.module] += 1
        kinds = self._edits.get((place.stream, place.layer))
        if kinds is None:
            return call.attend()
        if call.shape[0] != self._copies * len(self._partner) or not place.by_token:
            raise MeasurementError(
                f"rows of {place.stream} layer {place.layer} cannot be edited text by text"
            )
        self._done.add((place.stream, place.layer))
        found = {kind: self._edited(call, kind, edits) for kind, edits in kinds.items() if edits}
        if not found:
            return call.attend()
        parts = zip(*(places for places, _ in found.values()), strict=True)
        places = HeadRows(*(torch.cat(part) for part in parts))
        attended = call.edited(places, torch.cat([weights for _, weights in found.values()]))
        if "mean" in found:
            means = torch.stack(self._means[place.stream, place.layer])
            outputs = means.repeat_interleave(len(self._partner), 0)
            attended = call.replaced(attended, found["mean"][0], outputs)
        return attended

    def check(self) -> None:
        """Make sure that every edit was made.

        Raises:
            MeasurementError: a layer that is edited made no attention call.
        """
        if missed := set(self._edits) - self._done:
            stream, layer = min(missed)
            raise MeasurementError(f"{stream} layer {layer} has no attention that could be edited")

    def _edited(
        self, call: ObservedCall, kind: Kind, edits: Sequence[_Edit]
    ) -> tuple[HeadRows, torch.Tensor]:
        """Rows of all texts in the copies, and what takes their place."""
        texts, device = len(self._partner), self._partner.device
        copies, heads, rows = (torch.tensor(part, device=device) for part in zip(*edits, strict=True))
        offsets = (copies * texts).repeat_interleave(texts)
        heads, rows = heads.repeat_interleave(texts), rows.repeat_interleave(texts)
        own, other = torch.arange(texts, device=device), self._partner
        places = HeadRows(offsets + own.repeat(len(edits)), heads, rows)
        partner = other.repeat(len(edits))
        match kind:
            case "exchange":
                return places, call.picked(HeadRows(partner, heads, rows))
            case "arms-mean":
                theirs = call.picked(HeadRows(offsets + partner, heads, rows))
                return places, (call.picked(places) + theirs) / 2
            case "uniform":
                return places, _uniform(call, HeadRows(own.repeat(len(edits)), heads, rows))
            case "zero" | "mean":
                return places, torch.zeros(len(rows), call.shape[3], device=device)


def _uniform(call: ObservedCall, places: HeadRows) -> torch.Tensor:
    """Visible tokens alike: those that any head of the layer looks at from the row, ``[n, keys]``."""
    texts, heads, rows = places
    seen = torch.zeros(len(rows), call.shape[3], dtype=torch.bool, device=rows.device)
    for head in range(call.shape[1]):
        seen |= call.picked(HeadRows(texts, torch.full_like(heads, head), rows)) > 0
    return seen / seen.sum(-1, keepdim=True)
