"""What the page's scripts draw one pair's attention from: tokens, packed matrices, packed queries and keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from audit.kept_attention import KeptStream, KeptText, TokenLine
from audit.results import HeadFinding
from audit.results.visible import visible
from reports.packed_attention import is_causal, pack_vectors, pack_weights
from reports.shown_heads import NamedHead, shown_heads

#: All heads of a pair, or only those that are named on the page.
Extent = Literal["all", "named"]


class AttentionData(NamedTuple):
    """One pair's data in one extent.

    Args:
        content: as JSON objects.
        size: bytes in the page.
    """

    content: dict[str, Any]
    size: int


def attention_data(
    kept: Sequence[KeptStream], arms: tuple[str, str], findings: Sequence[HeadFinding], extent: Extent
) -> AttentionData:
    """Pack the streams of a pair.

    Args:
        kept: the streams.
        arms: of the pair.
        findings: heads of the pair's suite and contrast.
        extent: of which heads.
    """
    streams = [_stream(each, shown_heads(each, findings), extent) for each in kept]
    content = {"arms": [visible(arm) for arm in arms], "streams": streams}
    return AttentionData(content, len(json.dumps(content, ensure_ascii=False).encode(errors="replace")))


def _stream(kept: KeptStream, named: Sequence[NamedHead], extent: Extent) -> dict[str, Any]:
    layers, heads = kept.a.weights.shape[:2]
    absent = [layer for layer in range(layers) if np.isnan(kept.a.weights[layer]).all()]
    every = [(layer, head) for layer in range(layers) for head in range(heads) if layer not in absent]
    chosen = every if extent == "all" else list(dict.fromkeys([*[place[:2] for place in named], *kept.heads]))
    causal = is_causal(kept.a.weights, kept.b.weights)
    square = kept.a.queries == kept.a.keys and kept.b.queries == kept.b.keys
    match = {"q": _matches(kept.a.queries, kept.b.queries, kept.query_matches)}
    if not square:
        match["k"] = _matches(kept.a.keys, kept.b.keys, kept.key_matches)
    return {
        "name": kept.stream,
        "layers": layers,
        "heads": heads,
        "absent": absent,
        "causal": causal,
        "kept": None if extent == "all" else chosen,
        "named": [list(each) for each in named],
        "match": match,
        "a": _text(kept.a, chosen, causal=causal, square=square),
        "b": _text(kept.b, chosen, causal=causal, square=square),
        "vectors": _vectors(kept),
        "why": kept.why_no_vectors,
    }


def _text(text: KeptText, heads: Sequence[tuple[int, int]], *, causal: bool, square: bool) -> dict[str, Any]:
    places = tuple(np.array(heads, dtype=np.int64).reshape(-1, 2).T)
    found = {"q": _line(text.queries), "w": pack_weights(text.weights[places], causal=causal)}
    return found if square else {**found, "k": _line(text.keys)}


def _line(line: TokenLine) -> dict[str, Any]:
    found: dict[str, Any] = {
        "t": [visible(token) for token in line.tokens],
        "w": [visible(word) for word in line.words],
        "of": line.word_of,
    }
    return {**found, "p": line.parts} if line.parts else found


def _matches(a: TokenLine, b: TokenLine, words: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Matched words, and the tokens of those that both texts spell in as many."""
    tokens: list[tuple[int, int]] = []
    for i, j in words:
        one, two = ([t for t, of in enumerate(line.word_of) if of == n] for line, n in ((a, i), (b, j)))
        tokens += zip(one, two, strict=True) if len(one) == len(two) else ()
    return {"w": words, "t": sorted(tokens)}


def _vectors(kept: KeptStream) -> dict[str, Any] | None:
    a, b = kept.a.vectors, kept.b.vectors
    if a is None or b is None:
        return None
    queries, keys = pack_vectors(a.queries, b.queries), pack_vectors(a.keys, b.keys)
    return {
        "heads": kept.heads,
        "scales": kept.scales,
        "only": kept.products_only,
        "d": a.queries.shape[-1],
        "q": queries._asdict(),
        "k": keys._asdict(),
    }
