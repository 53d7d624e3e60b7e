"""All pairs of a run as columns for the page's script: names coded, texts laid over each other, numbers rounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

from audit.results.visible import visible
from reports.pair_heads import PairHeads
from reports.word_diff import Swap, merge
from reports.wording import measure_of

#: Measures whose text the page shows of both arms, and how each is called.
TEXTS: Final[dict[str, str]] = {
    "generation": "What the model wrote",
    "answer": "What it answered",
    "translation": "How it translated",
    "label": "How it labelled the text",
}
#: Around what differs between two texts: where it begins, where the second text's part begins, where it ends.
#: ``visible`` leaves none of these in a text.
OPEN, BETWEEN, CLOSE = "\x01", "\x02", "\x03"
#: Numeric measures that the page shows of both arms at most.
_MOST_MEASURES: Final = 8
_CODED: Final = (
    *("suite", "axis", "kind", "control", "cluster", "item", "arm_a", "arm_b", "group_a", "group_b"),
    *("completion_1", "completion_2", "file", "status", "reason"),
)
_THOUSANDTHS: Final = 1000

Columns = dict[str, Any]


def pair_columns(
    pairs: pd.DataFrame, outputs: pd.DataFrame, effects: pd.Series[float], heads: PairHeads
) -> Columns:
    """Lay all pairs out by columns.

    Numbers are whole thousandths; what is undefined is null. A column of names is the list of names and, for each
    pair, its place in that list.

    Args:
        pairs, outputs: the tables of the run.
        effects: total effects by pair id.
        heads: the strongest heads of every pair.
    Returns:
        Plain data: ``size``, ``id``, ``line``, ``effect``, ``prompt``, ``names``, ``texts``, ``values``, ``heads``.
    """
    keys = list(zip(pairs["suite"].astype(str), pairs["pair_id"].astype(str), strict=True))
    tables = _by_measure(pairs, outputs)
    return {
        "size": len(pairs),
        "id": [visible(name) for _, name in keys],
        "line": [None if pd.isna(line) else int(line) for line in pairs["line"]],
        "effect": _thousandths(effects.reindex([name for _, name in keys])),
        "prompt": laid_over(pairs["text_a"], pairs["text_b"]),
        "names": {name: coded(pairs[name]) for name in _CODED},
        "texts": [
            {"name": name, "merged": laid_over(*_stripped(tables[measure]["text"]))}
            for measure, name in TEXTS.items()
            if measure in tables and _both(tables[measure]["text"])
        ],
        "values": [
            {"name": measure_of(measure).name, "unit": measure_of(measure).unit, "sides": sides}
            for measure, table in tables.items()
            if measure not in TEXTS and _both(table["value"])
            for sides in [[_thousandths(side) for side in table["value"]]]
        ][:_MOST_MEASURES],
        "heads": [
            [[h.name, _whole(h.bias), _whole(h.nie)] for h in heads.of_pair.get(key, ())] for key in keys
        ],
    }


def coded(column: pd.Series[Any]) -> list[Any]:
    """Code a column of names.

    >>> coded(pd.Series(["she", None, "she"]))
    [['she'], [0, -1, 0]]
    """
    codes, names = pd.factorize(column)
    return [[visible(str(name)) for name in names], [int(code) for code in codes]]


def laid_over(texts_a: Iterable[Any], texts_b: Iterable[Any]) -> list[str | None]:
    r"""Write both texts of each pair as one, what differs between control characters; None where one is missing.

    >>> laid_over(["ask. She"], ["ask. He"])
    ['ask. \x01She\x02He\x03']
    """
    # Pairs of a template often bring the same two texts again.
    known: dict[tuple[str, str], str] = {}
    found: list[str | None] = []
    for a, b in zip(texts_a, texts_b, strict=True):
        if pd.isna(a) or pd.isna(b):
            found.append(None)
            continue
        key = (visible(str(a)), visible(str(b)))
        if key not in known:
            known[key] = "".join(map(_marked, merge(*key)))
        found.append(known[key])
    return found


def _marked(swap: Swap) -> str:
    return f"{OPEN}{swap.a}{BETWEEN}{swap.b}{CLOSE}" if swap.differs else swap.a


def _by_measure(pairs: pd.DataFrame, outputs: pd.DataFrame) -> dict[str, dict[str, Sequence[Any]]]:
    """Measure → value and text, each of both arms, in the order of the pairs; not those of single layers."""
    sides = [pd.MultiIndex.from_frame(pairs[["suite", "pair_id", f"arm_{arm}"]]) for arm in "ab"]
    wanted = outputs[~outputs["measure"].astype(str).str.contains(r"_layer:|_model$|_sample", regex=True)]
    tables: dict[str, dict[str, Sequence[Any]]] = {}
    for measure, rows in wanted.groupby("measure", sort=False):
        own = rows.drop_duplicates(["suite", "pair_id", "arm"], keep="last")
        own = own.set_index(["suite", "pair_id", "arm"])[["value", "text"]]
        both = [own.reindex(side) for side in sides]
        tables[str(measure)] = {name: [side[name] for side in both] for name in ("value", "text")}
    return tables


def _both(sides: Sequence[Any]) -> bool:
    """Whether any pair has the measure in both arms."""
    return bool((sides[0].notna().to_numpy() & sides[1].notna().to_numpy()).any())


def _stripped(sides: Sequence[Any]) -> list[Any]:
    """Without the space that joins a continuation to its prompt."""
    return [side.astype("string").str.removeprefix(" ") for side in sides]


def _thousandths(values: pd.Series[float]) -> list[int | None]:
    return [_whole(value) for value in values.astype("float64")]


def _whole(value: float | None) -> int | None:
    """Thousandths; None where undefined or endless."""
    if value is None or pd.isna(value) or value in (float("inf"), float("-inf")):
        return None
    return round(_THOUSANDTHS * value)
