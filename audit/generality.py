"""Does a finding hold on words and sentences that had no part in it? Chosen on one half, tried on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.head_rows import head_table
from audit.head_table import HeadTable, PartOfHeads
from audit.holdout import Fall, Halves, choose_heads, random_choices, split_halves
from audit.pairs import Pair
from audit.progress import Watcher
from audit.protocols import HeadChoice, InterventionProbe, Model
from audit.results import HeldOut

if TYPE_CHECKING:
    import pandas as pd

_LEAKS = (
    "the effects of all heads are needed (causal: {heads: all}); where they are measured only for heads that look "
    "biased over all pairs, the pairs of the other half have a part in the choice"
)
#: What determines a measurement, how many pairs it takes, how to make it → its fields, measured now or before.
Recall = Callable[[object, int, Callable[[], dict[str, object]]], dict[str, object]]
#: Trying pairs, sets of heads of which the first was chosen, how many of these are priced → fields of a result.
Trial = Callable[[Sequence[str], Sequence[HeadChoice], int], dict[str, object]]

_NONE = "no head is chosen on this half: none is significant there by bias and by effect"
_FEW = "too few templates or items to split in two"


def try_out(
    pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig, watcher: Watcher, trial: Trial
) -> tuple[HeldOut, ...]:
    """Choose heads on half of the templates × half of the items, and average their rows on the other half.

    Both halves choose once. Each result says how far the total effect falls, and how far it falls with random
    heads of the same layers.

    Args:
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``.
        config: seed, `min_bias`, and how many random sets.
        watcher: told of every half.
        trial: edits heads, see :func:`trial_of`; raises MeasurementError.
    Returns:
        Two results per suite × contrast whose heads could be flagged; undefined ones with their reason.
    """
    work, table = list(_work(pairs, config)), head_table(heads)
    found = []
    for name, number, halves in watcher.track("held-out halves", work):
        result = HeldOut(suite=name[0], contrast=name[1], half=number, seed=config.seed)
        result = result.model_copy(update={"choosing": len(halves.choosing), "trying": len(halves.trying)})
        try:
            update = _tried(halves, (pairs, table), config, trial)
        except MeasurementError as error:
            update = {"reason": str(error)}
        found.append(result.model_copy(update=update))
    return tuple(found)


def trial_of(
    model: Model, pairs: Sequence[Pair], probe: InterventionProbe, recall: Recall | None = None
) -> Trial:
    """How heads are tried on a model.

    Args:
        model: the loaded model.
        pairs: all pairs of the run.
        probe: edits heads.
        recall: keeps what takes long; None to measure everything.
    """
    by_id = {pair.pair_id: pair for pair in pairs}

    def trial(names: Sequence[str], sets: Sequence[HeadChoice], priced: int) -> dict[str, object]:
        trying = [by_id[name] for name in names]
        return (recall or _measured)(
            (trying, sets, priced), len(trying), lambda: _effects(probe, model, trying, sets, priced)
        )

    return trial


def _work(
    pairs: pd.DataFrame, config: RunConfig
) -> Iterator[tuple[tuple[str, tuple[str, str]], int, Halves]]:
    """Suite, contrast and both ways to use the two halves."""
    tested = pairs["directed"] & (pairs["kind"] == "treatment") & (pairs["status"] == "measured")
    tested &= pairs["candidate_1"].notna() & pairs["completion_1"].notna()
    for (suite, a, b), own in pairs[tested].groupby(["suite", "arm_a", "arm_b"], sort=True):
        halves = split_halves(own, config.seed)
        yield (str(suite), (str(a), str(b))), 1, halves
        yield (str(suite), (str(a), str(b))), 2, halves.exchanged


def _tried(
    halves: Halves, tables: tuple[pd.DataFrame, HeadTable], config: RunConfig, trial: Trial
) -> dict[str, object]:
    """What one half's heads do on the other half, as fields of a result."""
    if config.causal.heads != "all":
        return {"reason": _LEAKS}
    if not halves.choosing or not halves.trying:
        return {"reason": _FEW}
    frame, heads = tables
    own = PartOfHeads(heads, frozenset(halves.choosing))
    choice = choose_heads(frame[frame["pair_id"].isin(halves.choosing)], own, config)
    if not (choice.pronoun or choice.next):
        return {"reason": _NONE}
    sets = (choice, *random_choices(choice, _heads(own), config.ablation.sets, config.seed))
    return {
        "heads": tuple(sorted(choice.pronoun or ())),
        "heads_next": tuple(sorted(choice.next or ())),
        **trial(halves.trying, sets, 1 + config.ablation.priced),
    }


def _measured(what: object, pairs: int, measure: Callable[[], dict[str, object]]) -> dict[str, object]:
    return measure()


def _effects(
    probe: InterventionProbe,
    model: Model,
    trying: Sequence[Pair],
    sets: Sequence[HeadChoice],
    priced: int,
) -> dict[str, object]:
    """Everything that the model is asked for: how far the effect falls, and what the first sets cost."""
    fall, tried = _fall(probe, model, trying, sets)
    shares = fall.random_shares
    return {
        "trying": tried,
        "total_effect": fall.total_effect,
        "remaining": fall.remaining,
        "share": fall.share,
        "sets": len(fall.random),
        "random_median": float(np.median(shares)),
        "random_95": float(np.quantile(shares, 0.95)),
        "p": fall.p,
        **_cost(probe, model, sets[:priced]),
    }


def _heads(heads: HeadTable) -> tuple[int, int]:
    """Heads of a layer in the stream of either row: an encoder–decoder reads the two in different ones."""

    def most(measure: str) -> int:
        known = [
            section.head[~np.isnan(heads.values(section, measure)).all(axis=0)] for section in heads.sections
        ]
        return max((int(each.max()) + 1 for each in known if len(each)), default=0)

    return most("nie"), most("nie_next")


def _cost(probe: InterventionProbe, model: Model, sets: Sequence[HeadChoice]) -> dict[str, object]:
    """What the chosen heads, and random ones, are worth to neutral text; or why that is not known."""
    try:
        cost = probe.perplexity(model, sets)
    except MeasurementError as error:
        return {"cost_reason": str(error)}
    return {
        "perplexity": float(cost[0]),
        "perplexity_edited": float(cost[1]),
        "perplexity_random": float(np.median(cost[2:])) if len(cost) > 2 else None,
    }


def _fall(
    probe: InterventionProbe, model: Model, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
) -> tuple[Fall, int]:
    """Mean total effects of the trying pairs, unedited, chosen heads, each random set; and how many pairs."""
    tried = list(probe.ablate(model, pairs, sets))
    known = [found.log_odds for found in tried if found.log_odds is not None]
    if not known:
        raise MeasurementError(tried[0].reason or "no pair could be intervened on")
    effects = np.stack([y[:, 0] - y[:, 1] for y in known]).mean(axis=0)
    return Fall(float(effects[0]), float(effects[1]), effects[2:]), len(known)
