"""Every stream's attention in both texts of a pair, token by token, for the report's views of single pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from audit.align import Alignment, align
from audit.kept_attention import HeadPlace, KeptStream, KeptText, Side, TokenLine, Vectors
from audit.pairs import SEP, Text
from audit.protocols import Encoding
from audit.records import Stream
from audit.words import Word
from probes.model import LoadedModel
from probes.rows import ReadText, RowPlan
from probes.whole_attention import HeadVectors, WholeText

_NO_VECTORS = "this family bypasses the attention interface, and its queries and keys are not seen"
_NO_HEADS = "no head of this stream has a label"


class Sides(NamedTuple):
    """The two texts along one side of a stream's matrices, and which of their words belong together."""

    lines: tuple[TokenLine, TokenLine]
    matches: tuple[tuple[int, int], ...]


def keep_streams(
    model: LoadedModel,
    plan: RowPlan,
    decoded: tuple[tuple[int, ...], tuple[int, ...]],
    texts: tuple[WholeText, WholeText],
    heads: Sequence[HeadPlace],
) -> tuple[KeptStream, ...]:
    """Put the streams of two texts side by side.

    Args:
        model: that read them.
        plan: of the pair, with its alignment.
        decoded: what an encoder–decoder has decoded of each text.
        texts: as they were read.
        heads: whose queries and keys were wanted, most telling first.
    Returns:
        A stream for each that both texts have; of an encoder–decoder that writes no text only the encoder.
    """
    read = _lines(plan.alignment, (plan.a, plan.b))
    written = _written(model, decoded) if model.decodes else None
    ends: dict[Stream, tuple[Sides, Sides]] = {model.stream: (read, read)}
    if written is not None:
        ends |= {"decoder": (written, written), "cross": (written, read)}
    return tuple(_stream(stream, ends[stream], texts, heads) for stream in ends if stream in texts[0].weights)


def _stream(
    stream: Stream, ends: tuple[Sides, Sides], texts: tuple[WholeText, WholeText], heads: Sequence[HeadPlace]
) -> KeptStream:
    queries, keys = ends
    mine = [place for place in heads if place[0] == stream]
    seen = [place for place in mine if place in texts[0].vectors]
    a, b = (
        KeptText(queries.lines[side], keys.lines[side], text.weights[stream], _stacked(text.vectors, seen))
        for side, text in enumerate(texts)
    )
    return KeptStream(
        stream,
        a,
        b,
        queries.matches,
        keys.matches,
        tuple((layer, head) for _, layer, head in seen),
        tuple(texts[0].vectors[place].scale for place in seen),
        tuple(all(text.vectors[place].products_only for text in texts) for place in seen),
        None if seen else _NO_VECTORS if mine else _NO_HEADS,
    )


def _stacked(vectors: Mapping[HeadPlace, HeadVectors], seen: Collection[HeadPlace]) -> Vectors | None:
    if not seen:
        return None
    limit = float(np.finfo(np.float16).max)
    queries, keys = (
        np.clip(np.stack([vectors[place][n] for place in seen]), -limit, limit).astype(np.float16)
        for n in (0, 1)
    )
    return Vectors(queries, keys)


def _lines(alignment: Alignment, read: tuple[ReadText, ReadText]) -> Sides:
    words = {"a": alignment.words_a, "b": alignment.words_b}
    sides: dict[Side, ReadText] = {"a": read[0], "b": read[1]}
    a, b = (_line(words[side], text.encoding, text.text.text) for side, text in sides.items())
    return Sides((a, b), alignment.matches)


def _line(words: Sequence[Word], encoding: Encoding, text: str) -> TokenLine:
    of = {token: number for number, word in enumerate(words) for token in word.tokens}
    return TokenLine(
        encoding.tokens,
        tuple(word.text for word in words),
        tuple(of[token] for token in range(len(encoding.ids))),
        _parts(encoding, text),
    )


def _parts(encoding: Encoding, text: str) -> tuple[int, ...]:
    """Which part each token is of; a special token is of the part before it, the first one of the first."""
    if SEP not in text:
        return ()
    border = text.index(SEP) + len(SEP)
    parts, part = [], 0
    for start, end in encoding.offsets:
        part = int(start >= border) if start < end else part
        parts.append(part)
    return tuple(parts)


def _written(model: LoadedModel, decoded: tuple[tuple[int, ...], tuple[int, ...]]) -> Sides:
    """The model's own texts, aligned by equal words."""
    texts, encodings = [], []
    for arm, ids in zip("ab", decoded, strict=True):
        text, encoding = _spelled(model, ids)
        texts.append(Text(arm, "", text, ()))
        encodings.append(encoding)
    alignment = align(texts[0], encodings[0], texts[1], encodings[1])
    a, b = (
        _line(words, encoding, text.text)
        for words, encoding, text in zip(
            (alignment.words_a, alignment.words_b), encodings, texts, strict=True
        )
    )
    return Sides((a, b), alignment.matches)


def _spelled(model: LoadedModel, ids: tuple[int, ...]) -> tuple[str, Encoding]:
    """A written text with its tokens, each spelling what it adds to the text before it."""
    special = {*model.tokenizer.all_special_ids, *model.target_start}
    text, tokens, offsets = "", [], []
    for at, token in enumerate(ids):
        longer = str(model.tokenizer.decode(ids[: at + 1], skip_special_tokens=True))
        if token in special or not longer.startswith(text) or longer == text:
            tokens.append(str(model.tokenizer.convert_ids_to_tokens(token)))
            offsets.append((0, 0))
            continue
        tokens.append(longer[len(text) :])
        offsets.append((len(text), len(longer)))
        text = longer
    return text, Encoding(ids, tuple(tokens), tuple(offsets))
