"""Whole attention of both texts of a pair, token by token, as a run keeps it for the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from audit.records import Stream

#: Tokens of a text beyond which a run keeps the words' rows alone: whole matrices grow with the square.
LONGEST: Final = 160
#: Heads of a pair whose queries and keys are kept.
MOST_HEADS: Final = 8

Side = Literal["a", "b"]
#: Stream, layer and head.
HeadPlace = tuple[Stream, int, int]
Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class TokenLine:
    """The tokens along one side of a matrix.

    Args:
        tokens: as readable strings, with the space that each swallowed.
        words: what they spell, special tokens included.
        word_of: for each token its index among the words.
        parts: of a text of two parts which part each token is of (0 or 1); empty where there is one.
    """

    tokens: tuple[str, ...]
    words: tuple[str, ...]
    word_of: tuple[int, ...]
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """Queries and keys of N heads, as they are multiplied (after rotary embedding).

    Args:
        queries: ``[N, query tokens, d]`` float16.
        keys: ``[N, key tokens, d]`` float16; of a grouped head those that it shares.
    """

    queries: npt.NDArray[np.float16]
    keys: npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class KeptText:
    """One text as one stream sees it.

    Args:
        queries, keys: the tokens that look, and those that are looked at.
        weights: ``[layers, heads, query tokens, key tokens]`` float32; NaN in layers that do not attend.
        vectors: of the heads that the stream names; None where none were kept.
    """

    queries: TokenLine
    keys: TokenLine
    weights: npt.NDArray[np.float32]
    vectors: Vectors | None = None


@dataclass(frozen=True, slots=True)
class KeptStream:
    """One stream's attention in both texts of a pair.

    Args:
        stream: which attention.
        a, b: the two texts.
        query_matches, key_matches: indices of words ``(a, b)`` that belong together.
        heads: ``(layer, head)`` of the vectors, the most telling first.
        scales: for each of them what ``q · k`` is multiplied by before the softmax.
        products_only: for each of them whether nothing else enters the softmax (a position bias, a soft cap,
            attention sinks).
        why_no_vectors: why there are none.
    """

    stream: Stream
    a: KeptText
    b: KeptText
    query_matches: tuple[tuple[int, int], ...]
    key_matches: tuple[tuple[int, int], ...]
    heads: tuple[tuple[int, int], ...] = ()
    scales: tuple[float, ...] = ()
    products_only: tuple[bool, ...] = ()
    why_no_vectors: str | None = None


def arrays_of(streams: Collection[KeptStream], why_none: str | None) -> Arrays:
    """Name the arrays of a pair's streams, for one file; weights are stored as float16.

    Args:
        streams: what is kept.
        why_none: why nothing is.
    """
    found: Arrays = {
        "whole": np.array([kept.stream for kept in streams], dtype=np.str_),
        "why_no_whole": np.array(why_none or ""),
    }
    for kept in streams:
        name = f"whole.{kept.stream}"
        found |= {
            f"{name}.query_matches": _index_pairs(kept.query_matches),
            f"{name}.key_matches": _index_pairs(kept.key_matches),
            f"{name}.heads": _index_pairs(kept.heads),
            f"{name}.scales": np.array(kept.scales, dtype=np.float64),
            f"{name}.products_only": np.array(kept.products_only, dtype=np.bool_),
            f"{name}.why_no_vectors": np.array(kept.why_no_vectors or ""),
        }
        for side, text in (("a", kept.a), ("b", kept.b)):
            found |= _text_arrays(f"{name}.{side}", text)
    return found


def streams_of(arrays: Mapping[str, npt.NDArray[np.generic]]) -> tuple[tuple[KeptStream, ...], str | None]:
    """Read back what :func:`arrays_of` named; the reason where nothing was kept.

    Raises:
        KeyError: an array is missing.
    """
    if "whole" not in arrays:
        return (), "this run was made before whole matrices were kept; run the audit again to see them"
    streams = tuple(_stream(str(name), arrays) for name in arrays["whole"])
    return streams, str(arrays["why_no_whole"]) or None


def _stream(stream: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> KeptStream:
    name = f"whole.{stream}"
    return KeptStream(
        stream,  # type: ignore[arg-type]  # written by arrays_of
        _text(f"{name}.a", arrays),
        _text(f"{name}.b", arrays),
        _pairs(arrays[f"{name}.query_matches"]),
        _pairs(arrays[f"{name}.key_matches"]),
        _pairs(arrays[f"{name}.heads"]),
        tuple(float(scale) for scale in arrays[f"{name}.scales"].astype(np.float64)),
        tuple(bool(only) for only in arrays[f"{name}.products_only"]),
        str(arrays[f"{name}.why_no_vectors"]) or None,
    )


def _text_arrays(name: str, text: KeptText) -> Arrays:
    found: Arrays = {f"{name}.weights": text.weights.astype(np.float16)}
    for side, line in (("queries", text.queries), ("keys", text.keys)):
        found |= {
            f"{name}.{side}.tokens": np.array(line.tokens, dtype=np.str_),
            f"{name}.{side}.words": np.array(line.words, dtype=np.str_),
            f"{name}.{side}.word_of": np.array(line.word_of, dtype=np.int64),
            f"{name}.{side}.parts": np.array(line.parts, dtype=np.int64),
        }
    if text.vectors is not None:
        found |= {f"{name}.q": text.vectors.queries, f"{name}.k": text.vectors.keys}
    return found


def _text(name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> KeptText:
    vectors = None
    if f"{name}.q" in arrays:
        vectors = Vectors(arrays[f"{name}.q"].astype(np.float16), arrays[f"{name}.k"].astype(np.float16))
    lines = [
        TokenLine(
            tuple(map(str, arrays[f"{name}.{side}.tokens"])),
            tuple(map(str, arrays[f"{name}.{side}.words"])),
            _integers(arrays[f"{name}.{side}.word_of"]),
            _integers(arrays[f"{name}.{side}.parts"]),
        )
        for side in ("queries", "keys")
    ]
    return KeptText(lines[0], lines[1], arrays[f"{name}.weights"].astype(np.float32), vectors)


def _index_pairs(pairs: Collection[tuple[int, int]]) -> npt.NDArray[np.int64]:
    return np.array(tuple(pairs), dtype=np.int64).reshape(-1, 2)


def _pairs(array: npt.NDArray[np.generic]) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in array.astype(np.int64).reshape(-1, 2))


def _integers(array: npt.NDArray[np.generic]) -> tuple[int, ...]:
    return tuple(map(int, array.astype(np.int64)))
