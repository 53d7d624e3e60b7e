"""What a model says when heads stop doing what they do: their rows averaged, flattened, or cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import AblationRecord, Array, Record
from probes.ablated_effects import ablated_effects
from probes.intervention import Intervention, Kind, Place
from probes.job import Job
from probes.model import LoadedModel
from probes.patterns import neutral_texts
from probes.perplexity import perplexities
from probes.preparation import prepare


class AblationProbe:
    """Heads that are taken out, to see whether they matter (entry point ``ablation``).

    One by one in every pair, in the ways that the config names (:mod:`probes.ablated_effects`); and sets of heads
    together, where those that were found are tried on other pairs.
    """

    name = "ablation"
    version = "2"
    stage = 2

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs with completions, of the kinds that the causal settings name."""
        asked = bool(config.ablation.kinds) and pair.completions is not None
        return asked and pair.kind in config.causal.kinds

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        """Measure pairs of one contrast; a pair that cannot be intervened on says why."""
        return ablated_effects(model, pairs, config.ablation.kinds, heads)

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
        model: of any family.
        pairs: with completions.
        sets: heads of the pronoun's row and of the predicting row, edited together.
        kind: what takes the place of their rows.
    """
    work, reasons = prepare(model, pairs)
    for pair_id, reason in reasons.items():
        yield AblationRecord(pair_id, None, reason)
    for each in work:
        interventions = [_intervention(each.jobs[0], chosen, kind) for chosen in sets]
        y = each.engine.log_odds(each.jobs, interventions)
        yield from (AblationRecord(job.name, y[:, :, at]) for at, job in enumerate(each.jobs))


def _intervention(job: Job, chosen: HeadChoice, kind: Kind) -> Intervention:
    """The places of a set in texts of one shape; a place that is in both rows is edited once."""
    spots = ((chosen.pronoun, job.pronoun), (chosen.next, job.following))
    places = {
        Place(layer, head, spot.rows, spot.stream)
        for heads, spot in spots
        if spot is not None
        for layer, head in heads or ()
    }
    return Intervention(tuple(sorted(places)), kind)
