"""What a model says when heads stop doing what they do: their rows averaged, flattened, or cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import AblationRecord, Array
from probes.branch import Intervention, Kind, Place
from probes.model import LoadedModel
from probes.patterns import neutral_texts
from probes.perplexity import perplexities
from probes.preparation import prepare
from probes.tail_batch import Job, TailBatch, batches, by_shape


class AblationProbe:
    """Sets of heads edited together, to see whether heads that were found matter (entry point ``ablation``)."""

    name = "ablation"
    version = "1"

    def ablate(
        self, model: LoadedModel, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
    ) -> Iterator[AblationRecord]:
        """Measure both arms' log-odds with the rows of each set of heads at the arms' mean."""
        return ablate(model, pairs, sets, "arms-mean")

    def perplexity(self, model: LoadedModel, sets: Sequence[HeadChoice]) -> Array:
        """Perplexity of neutral text, unedited and with each set of heads cut off at every token."""
        chosen = [(each.pronoun or frozenset()) | (each.next or frozenset()) for each in sets]
        return perplexities(model, neutral_texts(), chosen, "zero")


def ablate(
    model: LoadedModel, pairs: Sequence[Pair], sets: Sequence[HeadChoice], kind: Kind
) -> Iterator[AblationRecord]:
    """Measure both arms' log-odds with each set of heads edited at the rows where it was read.

    Args:
        model: a decoder whose attention goes through ``probes.route``.
        pairs: with completions.
        sets: heads of the pronoun's row and of the predicting row, edited together.
        kind: what takes the place of their rows.
    """
    jobs, reasons = prepare(model, pairs)
    for pair_id, reason in reasons.items():
        yield AblationRecord(pair_id, None, reason)
    for same in by_shape(jobs).values():
        interventions = [_intervention(same[0], chosen, kind) for chosen in sets]
        for part in batches(same, 1 + len(sets)):
            batch = TailBatch(model, part)
            y, _ = batch.run(batch.prefix(), same[0].start, interventions)
            yield from (AblationRecord(job.pair.pair_id, y[:, :, at]) for at, job in enumerate(part))


def _intervention(job: Job, chosen: HeadChoice, kind: Kind) -> Intervention:
    """The places of a set in texts of one shape; a place that is in both rows is edited once."""
    pronoun = tuple(row - job.start for row in job.rows)
    rows = ((chosen.pronoun, pronoun), (chosen.next, (job.last - job.start,)))
    places = {Place(layer, head, at) for heads, at in rows for layer, head in heads or ()}
    return Intervention(tuple(sorted(places)), kind)
