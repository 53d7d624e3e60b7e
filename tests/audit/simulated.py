"""Synthetic tables with a known truth: what the numerics must find, and what they must not.

Templates and items are both random factors (10 % and 40 % of the variance between units, the shares
seen on real models), both orders of the candidates are there, and the order effect is larger than
any bias that is planted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from audit.protocols import Encoding
from audit.records import HEAD_MEASURES

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
TEMPLATE_SHARE, ITEM_SHARE = 0.1, 0.4
GROUPS = {"she": "female", "he": "male", "they": "neutral"}
SIGNED = (
    *("bias", "bias_next", "nie", "nde", "nie_next", "nde_next"),
    *("zero", "mean", "uniform", "zero_next", "mean_next", "uniform_next"),
)
DIVERGENCES = ("jsd", "total_variation", "value_weighted")


@dataclass(frozen=True)
class Planted:
    """True signed bias and true causal effect of one head, in the row that is read there."""

    bias: float = 0.0
    nie: float = 0.0
    row: str = "pronoun"


CARRIER, AVERTED, OPPOSER = Planted(0.2, 0.1), Planted(-0.2, 0.1), Planted(0.2, -0.1)
MOVER, ACTOR, NOTHING = Planted(0.2, 0.0), Planted(0.0, 0.1), Planted()


@dataclass(frozen=True)
class Tables:
    """``pairs.parquet`` and ``heads.parquet`` of a simulated run."""

    pairs: pd.DataFrame
    heads: pd.DataFrame


def tokenise(text: str, *pieces: str) -> Encoding:
    """Make an encoding by hand: pieces are found in order; an empty piece is a special token."""
    offsets, at = [], 0
    for piece in pieces:
        if not piece:
            offsets.append((0, 0))
            continue
        start = text.index(piece, at)
        at = start + len(piece)
        offsets.append((start, at))
    tokens = tuple(piece or "<s>" for piece in pieces)
    return Encoding(tuple(range(len(pieces))), tokens, tuple(offsets))


def latin_square(templates: int = 20, items: int = 20, per_template: int = 6) -> tuple[Labels, Labels]:
    """Template and item of every unit: each template meets ``per_template`` items, all equally often."""
    template = np.repeat(np.arange(templates), per_template)
    item = (template + np.tile(np.arange(per_template) * 3, templates)) % items
    return template, item


def two_factor_noise(
    rng: np.random.Generator, template: Labels, item: Labels, columns: int, sd: float = 1.0
) -> Array:
    """Return `[units, columns]` noise of variance sd² with both factors random."""
    t = rng.standard_normal((template.max() + 1, columns))[template]
    i = rng.standard_normal((item.max() + 1, columns))[item]
    rest = rng.standard_normal((len(template), columns))
    shares = (TEMPLATE_SHARE, ITEM_SHARE, 1 - TEMPLATE_SHARE - ITEM_SHARE)
    return sd * sum(np.sqrt(s) * part for s, part in zip(shares, (t, i, rest), strict=True))


def pair_rows(
    template: Labels,
    item: Labels,
    *,
    suite: str = "simulated",
    contrast: tuple[str, str] = ("she", "he"),
    control: str | None = None,
) -> list[dict[str, Any]]:
    """Rows of ``pairs.parquet``: two orders for every unit."""
    a, b = contrast
    tag = control or "pair"
    rows: list[dict[str, Any]] = []
    for t, i in zip(template.tolist(), item.tolist(), strict=True):
        for order in (0, 1):
            first, second = f"{tag}-f{i}", f"{tag}-m{i}"
            rows.append(
                {
                    "suite": suite,
                    "pair_id": f"{tag}-{t}-{i}-{order}-{a}-{b}",
                    "source_row": None,
                    "axis": "gender",
                    "kind": "control" if control else "treatment",
                    "control": control,
                    "cluster": f"template-{t}",
                    "item": f"{first}/{second}",
                    "order": order,
                    "directed": control is None,
                    "arm_a": a,
                    "arm_b": b,
                    "group_a": GROUPS.get(a, "neutral"),
                    "group_b": GROUPS.get(b, "neutral"),
                    "text_a": f"The {first} met the {second}. {a}",
                    "text_b": f"The {first} met the {second}. {b}",
                    "tokens_a": ["The", first, a],
                    "tokens_b": ["The", first, b],
                    "completion_1": f" {second}",
                    "completion_2": f" {first}",
                    "candidate_1": first,
                    "candidate_2": second,
                    "task": "coreference",
                    "file": "simulated.yaml",
                    "line": t + 1,
                    "status": "measured",
                    "reason": None,
                }
            )
    return rows


def head_columns(
    rng: np.random.Generator, planted: Sequence[Planted], template: Labels, item: Labels, *, directed: bool
) -> dict[str, Array]:
    """Every head measure, each `[pairs, heads]` (two orders after each other for every unit)."""
    pairs, heads = 2 * len(template), len(planted)
    order = np.tile([1.0, -1.0], len(template))[:, None] * rng.normal(0, 0.15, heads)
    columns: dict[str, Array] = {}
    for row, end in (("pronoun", ""), ("next", "_next")):
        effect = np.array([(p.bias, p.nie) if p.row == row else (0.0, 0.0) for p in planted]).T
        bias = effect[0] + np.repeat(two_factor_noise(rng, template, item, heads, 0.05), 2, axis=0) + order
        nie = effect[1] + np.repeat(two_factor_noise(rng, template, item, heads, 0.02), 2, axis=0) + order / 4
        level = rng.normal(0, 0.05, (pairs, heads))
        columns["coref_a" + end], columns["coref_b" + end] = level + bias, level - bias
        columns["bias" + end] = bias if directed else np.full((pairs, heads), np.nan)
        columns["nie" + end], columns["nde" + end] = nie, 0.3 - nie
        columns |= {kind + end: nie for kind in ("zero", "mean", "uniform")}
    for name in (*DIVERGENCES, "mass_a", "mass_b"):
        columns[name] = rng.uniform(0.3, 0.7, (pairs, heads))
    return columns


def simulate(
    planted: Mapping[tuple[int, int], Planted],
    seed: int,
    *,
    shape: tuple[int, int] = (2, 4),
    design: tuple[int, int, int] = (20, 20, 6),
    suite: str = "simulated",
    contrast: tuple[str, str] = ("she", "he"),
    controls: bool = True,
) -> Tables:
    """Simulate a run: treatment pairs with planted heads, and controls without any direction."""
    rng = np.random.default_rng(seed)
    where = [(layer, head) for layer in range(shape[0]) for head in range(shape[1])]
    truth = [planted.get(place, NOTHING) for place in where]
    blocks: list[tuple[str | None, tuple[str, str], tuple[Labels, Labels]]]
    blocks = [(None, contrast, latin_square(*design))]
    if controls:
        blocks.append(("same-group", contrast, latin_square(*design)))
        blocks.append(("weekday", ("Monday", "Tuesday"), latin_square(*design)))
    pairs, heads = [], []
    for control, arms, (template, item) in blocks:
        rows = pair_rows(template, item, suite=suite, contrast=arms, control=control)
        silent = [NOTHING] * len(where)
        columns = head_columns(rng, silent if control else truth, template, item, directed=control is None)
        pairs += rows
        heads.append(head_frame(rows, where, columns))
    return Tables(pd.DataFrame(pairs), pd.concat(heads, ignore_index=True))


def head_frame(
    rows: Sequence[Mapping[str, Any]], where: Sequence[tuple[int, int]], columns: Mapping[str, Array]
) -> pd.DataFrame:
    """Lay `[pairs, heads]` measures out as rows of ``heads.parquet``."""
    frame = pd.DataFrame(
        {
            "suite": np.repeat([row["suite"] for row in rows], len(where)),
            "pair_id": np.repeat([row["pair_id"] for row in rows], len(where)),
            "stream": "self",
            "layer": np.tile([layer for layer, _ in where], len(rows)),
            "head": np.tile([head for _, head in where], len(rows)),
        }
    )
    return frame.assign(**{name: columns[name].ravel() for name in HEAD_MEASURES})


def simulate_outputs(pairs: pd.DataFrame, total_effect: float, seed: int) -> pd.DataFrame:
    """Rows of ``outputs.parquet``: log-odds with a planted total effect, likelihoods, continuations."""
    rng = np.random.default_rng(seed)
    codes = [pd.factorize(pairs[name])[0].astype(np.int64) for name in ("cluster", "item")]
    effect = total_effect + two_factor_noise(rng, codes[0], codes[1], 1, 0.5)[:, 0]
    effect = np.where(pairs["kind"] == "treatment", effect, effect - total_effect)
    rows: list[dict[str, Any]] = []
    for pair, te in zip(pairs.to_dict("records"), effect, strict=True):
        base, likelihood = rng.normal(0, 1), rng.normal(-60, 5)
        for arm, share in ((pair["arm_a"], 0.5), (pair["arm_b"], -0.5)):
            key = {name: pair[name] for name in ("suite", "pair_id", "source_row")} | {"arm": arm}
            rows.append(key | {"measure": "completion_log_odds", "value": base + share * te, "text": None})
            value = likelihood + rng.normal(0, 1)
            rows.append(key | {"measure": "log_likelihood", "value": value, "text": None})
            rows.append(key | {"measure": "generation", "value": None, "text": f" {arm} was kind."})
    return pd.DataFrame(rows)


def slow_variance(values: Array, templates: Sequence[object], items: Sequence[object]) -> float:
    """Two-way clustered variance of a mean, one pair of units at a time: the oracle."""
    n, residual = len(values), values - np.mean(values)
    cells = list(zip(templates, items, strict=True))
    parts = []
    for labels in (list(templates), list(items), cells):
        k = len(set(labels))
        total = sum(residual[u] * residual[v] for u in range(n) for v in range(n) if labels[u] == labels[v])
        parts.append(total / n**2 * k / (k - 1))
    return float(max(parts[0] + parts[1] - parts[2], parts[0], parts[1]))


def slow_skewness(values: Array, labels: Sequence[object]) -> float:
    """SciPy's unbiased skewness of the sums over the levels of a factor, squared, over the levels."""
    residual, k = values - np.mean(values), len(set(labels))
    sums = [sum(r for r, own in zip(residual, labels, strict=True) if own == label) for label in set(labels)]
    return float(stats.skew(sums, bias=False)) ** 2 / k if k > 2 else 0.0


def slow_fit(
    values: Array, templates: Sequence[object], items: Sequence[object]
) -> tuple[float, float, float, int]:
    """Mean, standard error, two-sided p and degrees of freedom, from :func:`slow_variance`."""
    factors = sorted((list(templates), list(items)), key=lambda labels: len(set(labels)))
    factors = [labels for labels in factors if len(set(labels)) > 1]
    cells = len(set(zip(templates, items, strict=True)))
    crossed = all(cells > len(set(labels)) for labels in factors)
    skewness = sum(slow_skewness(values, labels) for labels in (factors if crossed else factors[:1]))
    se = float(np.sqrt(slow_variance(values, templates, items) * (1 + 2 * skewness)))
    df = min(len(set(templates)), len(set(items))) - 1
    mean = float(np.mean(values))
    return mean, se, float(2 * stats.t.sf(abs(mean) / se, df)), df


def unit_means(tables: Tables, layer: int, head: int, measure: str) -> pd.DataFrame:
    """Columns ``cluster, item, value``: the treatment pairs' mean over both orders."""
    merged = tables.heads.merge(tables.pairs[tables.pairs["kind"] == "treatment"], on=["suite", "pair_id"])
    chosen = merged[(merged["layer"] == layer) & (merged["head"] == head)]
    return chosen.groupby(["cluster", "item"])[measure].mean().rename("value").reset_index()
