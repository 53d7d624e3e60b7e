"""A synthetic run whose pairs keep whole attention: one stream or three, sub-words, two sentences, hostile words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from audit.kept_attention import KeptStream, KeptText, TokenLine, Vectors
from audit.records import DetailRecord, Stream
from audit.results import Audit
from audit.store import write_detail
from reports.folder import Detail, read_detail
from tests.reports.sample_run import HOSTILE, write_sample

D = 16
TOLD = ((15, 7), (12, 3), (17, 2))
WRITTEN = (("<pad>", "La", "infirmière"), ("<pad>", "Le", "infirmier", "dit"))
LONG = "a text of 200 tokens: whole matrices are kept of texts of at most 160"


def write_attention_run(folder: Path) -> Audit:
    """The failing sample; its first four pairs keep whole attention, the fifth was too long, the rest are old."""
    audit = write_sample(folder, "fail")
    random = np.random.default_rng(5)
    names = sorted(path.stem for path in (folder / "detail").glob("*.npz"))
    made = {names[0]: plain, names[1]: plain, names[2]: two_sentences, names[3]: translated}
    for name in names[:5]:
        detail = read_detail(folder / "detail" / f"{name}.npz")
        streams = made[name](detail, random) if name in made else ()
        write_detail(folder, record(detail, streams, None if streams else LONG))
    for name in names[5:]:
        make_old(folder / "detail" / f"{name}.npz")
    return audit


def make_old(path: Path) -> None:
    """Take from a file what runs did not keep before there were whole matrices."""
    with np.load(path) as file:
        old = {name: file[name] for name in file.files if not name.startswith(("whole", "why_no_whole"))}
    np.savez_compressed(path, **old)


def record(detail: Detail, streams: tuple[KeptStream, ...], why: str | None) -> DetailRecord:
    """What a run writes."""
    return DetailRecord(
        detail.pair_id,
        "self",
        detail.words_a,
        detail.words_b,
        detail.queries,
        detail.weights_a,
        detail.weights_b,
        detail.matches,
        streams,
        why,
    )


def plain(detail: Detail, random: np.random.Generator) -> tuple[KeptStream, ...]:
    """A decoder; its second word is two tokens, and its fourth hostile."""
    words = [list(detail.words_a), list(detail.words_b)]
    for each in words:
        each[3] = HOSTILE
    lines = [_line(each, split=1) for each in words]
    texts = [
        KeptText(line, line, _split(weights, 1), _vectors(len(TOLD), line, line, random))
        for line, weights in zip(lines, (detail.weights_a, detail.weights_b), strict=True)
    ]
    return (_stream("self", texts, detail.matches, detail.matches, TOLD),)


def two_sentences(detail: Detail, random: np.random.Generator) -> tuple[KeptStream, ...]:
    """An encoder that looks both ways; the second half of its words is a sentence of its own."""
    half = len(detail.words_a) // 2
    texts = []
    for words in (detail.words_a, detail.words_b):
        line = replace(_line(words), parts=tuple(int(n >= half) for n in range(len(words))))
        texts.append(KeptText(line, line, _random(random, 12, 12, len(words), len(words))))
    stream = _stream("self", texts, detail.matches, detail.matches, ())
    return (replace(stream, why_no_vectors="this family bypasses the attention interface"),)


def translated(detail: Detail, random: np.random.Generator) -> tuple[KeptStream, ...]:
    """An encoder–decoder with three streams; the texts that it writes differ in length."""
    reading = [_line(detail.words_a), _line(detail.words_b)]
    writing = [_line(words) for words in WRITTEN]
    pairs = ((0, 0),)
    found = []
    for stream, queries, keys, on_left, on_right in (
        ("encoder", reading, reading, detail.matches, detail.matches),
        ("decoder", writing, writing, pairs, pairs),
        ("cross", writing, reading, pairs, detail.matches),
    ):
        texts = [
            KeptText(q, k, _random(random, 2, 4, len(q.tokens), len(k.tokens)), _vectors(1, q, k, random))
            for q, k in zip(queries, keys, strict=True)
        ]
        found.append(_stream(stream, texts, on_left, on_right, ((1, 2),)))  # type: ignore[arg-type]
    return tuple(found)


def _stream(
    stream: Stream,
    texts: list[KeptText],
    query_matches: tuple[tuple[int, int], ...],
    key_matches: tuple[tuple[int, int], ...],
    heads: tuple[tuple[int, int], ...],
) -> KeptStream:
    told = len(heads)
    return KeptStream(
        stream, texts[0], texts[1], query_matches, key_matches, heads, (D**-0.5,) * told, (True,) * told
    )


def _line(words: list[str] | tuple[str, ...], split: int | None = None) -> TokenLine:
    tokens, of = [], []
    for number, word in enumerate(words):
        parts = [f" {word[:2]}", word[2:]] if number == split else [f" {word}"]
        tokens += parts
        of += [number] * len(parts)
    return TokenLine(tuple(tokens), tuple(words), tuple(of))


def _split(weights: np.ndarray, word: int) -> np.ndarray:
    """Word-level matrices over tokens: both tokens of a word look alike, and share what looks at it."""
    found = np.insert(weights, word, weights[:, :, word], axis=2)
    found = np.insert(found, word, found[..., word] / 2, axis=3)
    found[..., word + 1] /= 2
    first = found[:, :, word, word + 1].copy()
    found[:, :, word, word] += first
    found[:, :, word, word + 1] = 0
    return np.asarray(found, dtype=np.float32)


def _random(random: np.random.Generator, *shape: int) -> np.ndarray:
    exp = np.exp(random.normal(0, 1.5, shape))
    return np.asarray(exp / exp.sum(-1, keepdims=True), dtype=np.float32)


def _vectors(heads: int, queries: TokenLine, keys: TokenLine, random: np.random.Generator) -> Vectors:
    q, k = (random.normal(0, 2, (heads, len(line.tokens), D)).astype(np.float16) for line in (queries, keys))
    return Vectors(q, k)
