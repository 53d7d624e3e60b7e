"""Audits of models with a known truth: are planted heads found, and all others left alone?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audit.config import CausalSettings, RunConfig
from audit.errors import StoreError
from audit.expand import expand
from audit.head_table import HeadTable
from audit.heads import analyse_heads
from audit.instruments import instruments
from audit.loader import load_suite
from audit.pairs import Pair
from audit.planting import Place, Planting
from audit.progress import Watcher
from audit.protocols import PlantedModel, Planter, Probe
from audit.registry import PLANTERS
from audit.results import Label
from audit.runner import measure
from audit.statistics import clopper_pearson

if TYPE_CHECKING:
    import pandas as pd

SUITE = "selfcheck"
LEVEL = 0.99
#: Carriers that must be found, heads that must get their label, and what may be flagged falsely.
LEAST_RECALL, LEAST_NAMED, MOST_FALSE = 0.95, 0.95, 0.05
PLANTED: tuple[Label, ...] = ("carries", "opposes", "moves", "acts")
_PROBES = ("attention", "causal")


@dataclass(frozen=True, slots=True)
class PlantedAudit:
    """One audit of a model with a known truth.

    Args:
        seed: of the model.
        truth: (layer, head) → label of the planted heads.
        labels: the label that the audit gave each head.
        flagged: the heads that it flagged.
    """

    seed: int
    truth: Mapping[Place, Label]
    labels: Mapping[Place, Label]
    flagged: frozenset[Place]

    @property
    def carriers(self) -> frozenset[Place]:
        """The heads that must be flagged, and no others."""
        return frozenset(place for place, label in self.truth.items() if label == "carries")

    @property
    def false(self) -> frozenset[Place]:
        """Heads that were flagged but carry nothing."""
        return self.flagged - self.carriers


@dataclass(frozen=True, slots=True)
class Share:
    """A count of trials, with its exact one-sided bounds.

    Args:
        count: trials in which it happened.
        trials: all of them.
    """

    count: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself; 0 of 0 is not a number."""
        return self.count / self.trials if self.trials else float("nan")

    @property
    def low(self) -> float:
        """Lower bound, one-sided 99 % (Clopper & Pearson 1934)."""
        return clopper_pearson(self.count, self.trials, LEVEL)[0]

    @property
    def high(self) -> float:
        """Upper bound, one-sided 99 % (Clopper & Pearson 1934)."""
        return clopper_pearson(self.count, self.trials, LEVEL)[1]


Standing = Literal["shown", "holds here", "missed"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A share and what it must be.

    Args:
        what: the share, in words.
        share: what was found.
        least: it must be at least, or else at most, the limit.
        limit: the limit.
    """

    what: str
    share: Share
    least: bool
    limit: float

    @property
    def bound(self) -> float:
        """The one-sided bound that the limit is compared with."""
        return self.share.low if self.least else self.share.high

    @property
    def standing(self) -> Standing:
        """``shown`` if the bound keeps the limit, ``holds here`` if only the share itself does."""
        bound, value = self.bound, self.share.value
        if bound >= self.limit if self.least else bound <= self.limit:
            return "shown"
        return "holds here" if (value >= self.limit if self.least else value <= self.limit) else "missed"


@dataclass(frozen=True, slots=True)
class Tally:
    """What audits of models with a known truth came to.

    Args:
        labels: (true label, given label) → heads.
        recall: carriers that were flagged, of all that were planted.
        false_discoveries: mean share of false ones among the flagged heads of an audit (FDR).
        false: audits with any false flag; an upper bound of the FDR.
    """

    labels: Mapping[tuple[Label, Label], int]
    recall: Share
    false_discoveries: float
    false: Share

    def named(self, label: Label) -> Share:
        """Heads of one part that got its label."""
        trials = sum(count for (true, _), count in self.labels.items() if true == label)
        return Share(self.labels.get((label, label), 0), trials)


def measuring_config(config: RunConfig) -> RunConfig:
    """The rules of a preset, measured as a planted model needs it: every head's effect, nothing else."""
    return config.model_copy(update={"probes": _PROBES, "causal": CausalSettings(heads="all"), "detail": 0})


def judge(
    planted: PlantedModel, seed: int, pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig
) -> PlantedAudit:
    """Set what the one rule for heads says beside the truth.

    Args:
        planted: the model.
        seed: of the model, for the record.
        pairs, heads: the tables of what was measured on it.
        config: the rule.
    """
    found = analyse_heads(pairs, heads, config)
    labels = {(head.layer, head.head): head.label for head in found}
    flagged = frozenset((head.layer, head.head) for head in found if head.flagged)
    return PlantedAudit(seed, planted.truth, labels, flagged)


def audit_plantings(
    planter: Planter,
    plantings: Sequence[Planting],
    pairs: Sequence[Pair],
    probes: Sequence[Probe],
    config: RunConfig,
    watcher: Watcher,
) -> list[PlantedAudit]:
    """Build one model after another and audit it.

    Args:
        planter: builds the models.
        plantings: what to plant into each.
        pairs: of a suite; its controls give words, its treatments are measured.
        probes: attention and causal.
        config: how to measure, and the rule.
        watcher: told of every model.
    """
    treatments = [pair for pair in pairs if pair.kind == "treatment"]
    audits = []
    for planting, each in zip(plantings, watcher.track("models", [treatments] * len(plantings)), strict=True):
        planted = planter.plant(pairs, planting)
        tables = measure(planted.model, each, probes, config, Watcher(quiet=True))
        audits.append(judge(planted, planting.seed, tables.pairs(), tables.head_table(), config))
    return audits


def tally(audits: Iterable[PlantedAudit]) -> Tally:
    """Count what audits found against the truth."""
    audits = list(audits)
    labels: Counter[tuple[Label, Label]] = Counter(
        (audit.truth.get(place, "none"), label) for audit in audits for place, label in audit.labels.items()
    )
    found = sum(len(audit.flagged & audit.carriers) for audit in audits)
    planted = sum(len(audit.carriers) for audit in audits)
    shares = [len(audit.false) / max(len(audit.flagged), 1) for audit in audits]
    return Tally(
        labels,
        recall=Share(found, planted),
        false_discoveries=sum(shares) / max(len(shares), 1),
        false=Share(sum(bool(audit.false) for audit in audits), len(audits)),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``evenhand selfcheck`` found.

    Args:
        dose: size of what was planted.
        planted, null: counts over models with and without planted heads.
    """

    dose: float
    planted: Tally
    null: Tally

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Everything that must hold."""
        return (
            Bar("carriers flagged (recall)", self.planted.recall, True, LEAST_RECALL),
            *(
                Bar(f"heads named {label!r}", self.planted.named(label), True, LEAST_NAMED)
                for label in PLANTED
            ),
            Bar("heads without a part named 'none'", self.planted.named("none"), True, LEAST_NAMED),
            Bar("planted models with a false flag", self.planted.false, False, MOST_FALSE),
            Bar("null models with any flag", self.null.false, False, MOST_FALSE),
        )

    @property
    def holds(self) -> bool:
        """Whether no bar was missed."""
        return all(bar.standing != "missed" for bar in self.bars)


def run_selfcheck(seeds: int, dose: float, config: RunConfig, watcher: Watcher) -> Outcome:
    """Audit planted and null models, the built-in suite on each.

    Args:
        seeds: how many of either kind; the seeds are 0, 1, 2, ….
        dose: size of what is planted.
        config: the rule.
        watcher: told of every model.
    """
    pairs, planter = expand(load_suite(SUITE)), PLANTERS.get("gpt2")
    probes, measured = instruments(_PROBES).by_pair, measuring_config(config)
    plantings = [Planting(seed, dose) for seed in range(seeds)]
    plantings += [Planting.nothing(seed) for seed in range(seeds)]
    with _one_thread():
        audits = audit_plantings(planter, plantings, pairs, probes, measured, watcher)
    return Outcome(dose, tally(audits[:seeds]), tally(audits[seeds:]))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Planted models are so small that threads only wait for each other, on a busy machine for minutes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def save_planted(folder: Path, planting: Planting) -> None:
    """Keep a planted model as a folder that ``--model`` takes.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        PLANTERS.get("gpt2").save(folder, expand(load_suite(SUITE)), planting)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror})") from error
