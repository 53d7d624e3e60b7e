"""What an attention head looks at by habit: the previous word, the first token, punctuation and so on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.align import pool_keys, pool_queries
from audit.errors import ShapeError
from audit.records import PatternRecord, Stream
from audit.results import HeadFinding
from audit.words import Word

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Patterns that are places to look at.
PLACES = ("previous_word", "next_word", "current_word", "same_word", "first_token", "punctuation")
BAG_OF_WORDS, MIXED = "bag_of_words", "mixed"
#: Everything that is scored; a head is of one of these types or mixed.
PATTERNS = (*PLACES, BAG_OF_WORDS)

#: A head has the type of a place if more than half of what chance leaves over goes there (Clark et al.
#: 2019, section 3, speak of heads that put most of their attention on one).
LEAST_EXCESS = 0.5
#: A head is a bag of words if it spreads over them at least this evenly.
LEAST_EVENNESS = 0.9
#: Words that must be visible for their spread to tell anything.
_FEWEST_WORDS = 4


@dataclass(slots=True)
class Survey:
    """Adds up over texts where the query words of a stream look.

    Args:
        causal: whether a word sees only what is left of it.
    """

    causal: bool
    _mass: dict[str, Array] = field(default_factory=dict)
    _chance: dict[str, float] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)

    def add(self, weights: Array, words: Sequence[Word]) -> None:
        """Add one text.

        Args:
            weights: `[layers, heads, T, T]` attention between its tokens.
            words: its W words, which share out the T tokens.
        Raises:
            ShapeError: the words are not those of these tokens.
        """
        tokens = sum(len(word.tokens) for word in words)
        if weights.shape[-2:] != (tokens, tokens):
            raise ShapeError(f"weights have shape {list(weights.shape)}; expected {tokens} × {tokens} tokens")
        visible = np.tri(tokens) if self.causal else np.ones((tokens, tokens))
        flat = visible / visible.sum(axis=-1, keepdims=True)
        own, chance = _by_word(weights, words), _by_word(flat, words)
        for name, targets in places(words, self.causal).items():
            rows = targets.any(axis=-1)
            self._add(name, (own * targets).sum(axis=-1)[..., rows], (chance * targets).sum(axis=-1)[rows])
        content = content_words(words, self.causal)
        rows = content.sum(axis=-1) >= _FEWEST_WORDS
        spread = (evenness(share[..., rows, :], content[rows]) for share in (own, chance))
        self._add(BAG_OF_WORDS, *spread)

    def _add(self, name: str, own: Array, chance: Array) -> None:
        self._mass[name] = self._mass.get(name, np.zeros(own.shape[:-1])) + own.sum(axis=-1)
        self._chance[name] = self._chance.get(name, 0.0) + float(chance.sum())
        self._rows[name] = self._rows.get(name, 0) + own.shape[-1]

    def record(self, stream: Stream) -> PatternRecord:
        """Score and name every head.

        `excess = (S - C) / (1 - C)` with S the mean attention to a place over the query words that see one,
        and C what attention spread evenly over the visible tokens gives there: 0 is chance, 1 everything,
        so that short rows fake no pattern.

        The kinds are those of Voita et al. 2019 (positional heads), Clark et al. 2019 (previous and next
        token, [SEP] and punctuation, broad heads), Kovaleva et al. 2019 (vertical and diagonal) and Xiao et
        al. 2023 (attention sinks).

        Raises:
            ShapeError: no text was added.
        """
        if not self._mass:
            raise ShapeError("no text was surveyed; expected at least one")
        mass = {name: _mean(self._mass[name], self._rows[name]) for name in PATTERNS}
        chance = {name: float(_mean(np.array(self._chance[name]), self._rows[name])) for name in PATTERNS}
        excess = {name: (mass[name] - chance[name]) / (1 - chance[name]) for name in PLACES}
        excess[BAG_OF_WORDS] = np.minimum(mass[BAG_OF_WORDS] / chance[BAG_OF_WORDS], 1.0)
        types, scores = classify(excess)
        return PatternRecord(stream, mass, excess, types, scores)


def classify(excess: dict[str, Array]) -> tuple[npt.NDArray[np.str_], Array]:
    """Name heads by their strongest place if it passes ``LEAST_EXCESS``, else bag of words, else mixed.

    Args:
        excess: pattern → `[...]`; NaN where a pattern cannot be.
    Returns:
        `[...]` names and the scores behind them; an empty name and NaN where nothing is known.
    """
    known = np.stack([np.nan_to_num(excess[name], nan=-np.inf) for name in PLACES])
    strongest, score = known.argmax(axis=0), known.max(axis=0)
    even = excess[BAG_OF_WORDS]
    broad = ~(score >= LEAST_EXCESS) & (even >= LEAST_EVENNESS)
    types = np.where(score >= LEAST_EXCESS, np.array(PLACES)[strongest], MIXED)
    types, score = np.where(broad, BAG_OF_WORDS, types), np.where(broad, even, score)
    return np.where(np.isneginf(score), "", types), np.where(np.isneginf(score), np.nan, score)


def places(words: Sequence[Word], causal: bool) -> dict[str, Mask]:
    """Where each pattern would look.

    The first token belongs to ``first_token`` alone, since it draws attention as a sink whatever word it
    is; no row of its own is read, nor one of another special token.

    Args:
        words: W words of a text.
        causal: whether a word sees only what is left of it.
    Returns:
        pattern → `[W, W]`, true where a query word (row) would look at a word (column).
    """
    size = len(words)
    index = np.arange(size)
    reads = np.array([not word.special for word in words]) & (index > 0)
    sees = (index[None] <= index[:, None]) | (not causal)
    first, special = index == 0, np.array([word.special for word in words])
    text = [word.text.casefold() if _is_content(word) else "" for word in words]
    same = np.array([[bool(one) and one == other for other in text] for one in text]).reshape(size, size)
    step = index[None] - index[:, None]
    sign = np.array([not _is_content(word) for word in words])
    ordinary = ~first & ~special
    found = {
        "previous_word": (step == -1) & ordinary,
        "next_word": (step == 1) & ordinary,
        "current_word": (step == 0) & ordinary,
        "same_word": same & (step != 0) & ordinary,
        "first_token": np.broadcast_to(first, (size, size)),
        "punctuation": sign & (step != 0) & ~first,
    }
    return {name: mask & sees & reads[:, None] for name, mask in found.items()}


def content_words(words: Sequence[Word], causal: bool) -> Mask:
    """`[W, W]`, true where a query word sees a word of letters or digits; not the first token."""
    index = np.arange(len(words))
    content = np.array([_is_content(word) for word in words]) & (index > 0)
    reads = np.array([not word.special for word in words]) & (index > 0)
    return content[None] & reads[:, None] & ((index[None] <= index[:, None]) | (not causal))


def evenness(rows: Array, content: Mask) -> Array:
    """How evenly rows are spread over content words, times the share that goes to these.

    `m · H(p / m) / log n` with `m = Σ p` over the n content words: 1 if everything is spread evenly over
    them, 0 if it lies on one of them, or elsewhere.

    Args:
        rows: `[..., R, W]` attention to words.
        content: `[R, W]` which of them are content words; at least two in each row.
    Returns:
        `[..., R]`.
    """
    kept = np.where(content, rows, 0.0)
    mass = kept.sum(axis=-1)
    share = np.divide(kept, mass[..., None], out=np.zeros_like(kept), where=mass[..., None] > 0)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
    return np.asarray(mass * entropy / np.log(content.sum(axis=-1)))


def pattern_table(records: Iterable[PatternRecord]) -> pd.DataFrame:
    """``patterns.parquet``: one row per stream × layer × head.

    Columns: ``stream, layer, head, pattern, score``, then for each pattern its mean attention under its own
    name and its excess under ``<name>_excess``; null where the model cannot have it.
    """
    frames = []
    for record in records:
        layers, heads = record.types.shape
        place = {"layer": np.repeat(np.arange(layers), heads), "head": np.tile(np.arange(heads), layers)}
        own = {"pattern": record.types.ravel(), "score": record.scores.ravel()}
        mass = {name: record.mass[name].ravel() for name in PATTERNS}
        excess = {f"{name}_excess": record.excess[name].ravel() for name in PATTERNS}
        frames.append(pd.DataFrame({"stream": record.stream, **place, **own, **mass, **excess}))
    table = pd.concat(frames, ignore_index=True).astype({"stream": "string", "pattern": "string"})
    return table.assign(pattern=table["pattern"].mask(table["pattern"] == ""))


def with_patterns(heads: Iterable[HeadFinding], table: pd.DataFrame) -> list[HeadFinding]:
    """Tell each head's pattern beside what was found about it.

    Args:
        heads: the heads of an audit.
        table: ``patterns.parquet``.
    """
    columns = (table[name].tolist() for name in ("stream", "layer", "head", "pattern", "score"))
    known = {(stream, layer, head): told for stream, layer, head, *told in zip(*columns, strict=True)}
    found = []
    for head in heads:
        pattern, score = known.get((head.stream, head.layer, head.head), (None, None))
        told = {} if pd.isna(pattern) else {"pattern": pattern, "pattern_score": score}
        found.append(head.model_copy(update=told))
    return found


def _by_word(weights: Array, words: Sequence[Word]) -> Array:
    """Pool tokens to words: keys by sum, queries by mean."""
    return pool_keys(pool_queries(weights, [word.tokens for word in words]), words)


def _is_content(word: Word) -> bool:
    return not word.special and any(character.isalnum() for character in word.text)


def _mean(total: Array, rows: int) -> Array:
    return np.asarray(total / rows if rows else np.full(np.shape(total), np.nan))
