"""Weights of a GPT-2 of which some heads have a known part in a bias.

The residual stream is divided into blocks. A code is a pair of dimensions that hold +v and −v: gender
of the pronoun, tie of the noun (to the first or the second arm), occupation, pronoun, first token.
``identity`` holds a random vector of each word and ``output`` is where the unembedding looks for it,
``leaning`` is where it looks for the tie; nothing reads ``dead``; heads without a part write ``scratch``.

Every embedding and everything that is written sums to 0. Otherwise the mean that LayerNorm subtracts
carries the tie into heads that should be blind to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from audit.planting import Place
from audit.results import Label

Array = npt.NDArray[np.float64]

LAYERS, HEADS, HEAD_WIDTH, INNER, POSITIONS = 6, 8, 16, 128, 64
WIDTH = HEADS * HEAD_WIDTH

_SIZES = {
    **dict.fromkeys(("gender", "tie", "occupation", "pronoun", "first", "leaning"), 2),
    "dead": 8,
    "identity": HEAD_WIDTH,
    "output": HEAD_WIDTH,
}
_ENDS = tuple(accumulate(_SIZES.values()))
BLOCKS = {name: slice(end - size, end) for (name, size), end in zip(_SIZES.items(), _ENDS, strict=True)}
BLOCKS["scratch"] = slice(_ENDS[-1], WIDTH)
#: What heads without a part, and MLPs, cannot read.
_UNSEEN = ("tie", "output", "leaning", "dead")
_CODE = np.array([1.0, -1.0])
#: Height of a code, and length of an identity.
_LEVEL = 2.0

_READ_NOISE = 1.2 / np.sqrt(WIDTH)
_WRITE_NOISE = {"output": 0.04, "scratch": 0.02}
#: Noise that planted heads look through, as a share of that of other heads.
_HUM = 0.25


@dataclass(frozen=True, slots=True)
class Word:
    """What the model knows of a word.

    Args:
        gender: +1 for the pronoun of the first arm, -1 for that of the second, else 0.
        tie: +1 for a noun tied to the first arm, -1 for one tied to the second, else 0.
        candidate: whether it is a noun that the pronoun may stand for.
        first: whether it is the token in front of every text.
    """

    gender: int = 0
    tie: int = 0
    candidate: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What a planted head does.

    Args:
        label: what an audit must call it.
        sign: of its attention towards the tied noun; for a head that only acts, of what it writes.
    """

    label: Label
    sign: int


def make_weights(
    words: Sequence[Word], parts: Mapping[Place, Part], dose: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Draw all matrices of the network; LayerNorm gains are 1 and all biases 0.

    Args:
        words: what is known of each entry of the vocabulary.
        parts: planted heads by (layer, head).
        dose: factor on how strongly they depend on the arm.
        rng: the only source of chance.
    Returns:
        Name of a parameter of transformers' ``GPT2LMHeadModel`` → its values.
    """
    embedding = _embedding(words, rng)
    unembedding = np.zeros_like(embedding)
    unembedding[:, BLOCKS["output"]] = embedding[:, BLOCKS["identity"]]
    unembedding[:, BLOCKS["leaning"]] = embedding[:, BLOCKS["tie"]]
    positions = np.zeros((POSITIONS, WIDTH))
    positions[:, BLOCKS["scratch"]] = _zero_sum(0.3 * rng.standard_normal((POSITIONS, _width("scratch"))))
    weights: dict[str, Array] = {
        "transformer.wte.weight": embedding,
        "transformer.wpe.weight": positions,
        "lm_head.weight": unembedding,
    }
    for layer in range(LAYERS):
        heads = [_head(parts.get((layer, head)), dose, rng) for head in range(HEADS)]
        names = f"transformer.h.{layer}."
        read = [np.concatenate([head[part] for head in heads], axis=1) for part in range(3)]
        weights[names + "attn.c_attn.weight"] = np.concatenate(read, axis=1)
        weights[names + "attn.c_proj.weight"] = np.concatenate([head[3] for head in heads])
        weights[names + "mlp.c_fc.weight"] = _reading(INNER, rng)
        weights[names + "mlp.c_proj.weight"] = _writing(INNER, ("scratch",), rng)
    return weights


def _embedding(words: Sequence[Word], rng: np.random.Generator) -> Array:
    """`[words, width]`: codes, an identity of length 2, and noise in the scratch block."""
    table = np.zeros((len(words), WIDTH))
    table[:, BLOCKS["scratch"]] = _zero_sum(0.5 * rng.standard_normal((len(words), _width("scratch"))))
    identity = _zero_sum(rng.standard_normal((len(words), HEAD_WIDTH)))
    table[:, BLOCKS["identity"]] = _LEVEL * identity / np.linalg.norm(identity, axis=1, keepdims=True)
    strength = 1 + 0.3 * rng.standard_normal(len(words))
    for number, word in enumerate(words):
        table[number, BLOCKS["gender"]] = word.gender * _LEVEL * _CODE
        table[number, BLOCKS["tie"]] = word.tie * _LEVEL * strength[number] * _CODE
        table[number, BLOCKS["occupation"]] = word.candidate * _LEVEL * _CODE
        table[number, BLOCKS["pronoun"]] = abs(word.gender) * _LEVEL * _CODE
        table[number, BLOCKS["first"]] = word.first * _LEVEL * _CODE
    return table


def _head(part: Part | None, dose: float, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Query, key and value matrices `[width, head width]`, and the output matrix `[head width, width]`."""
    query, key, value = (_reading(HEAD_WIDTH, rng) for _ in range(3))
    output = _writing(HEAD_WIDTH, ("output", "scratch"), rng)
    if part is None:
        return query, key, value, output
    query, key, value, output = query * _HUM, key * _HUM, np.zeros_like(value), np.zeros_like(output)
    query[:, :2] = key[:, :2] = 0.0
    if part.label == "acts":
        _read_code(query, "gender", 0, 0.24 * dose)
        _read_code(key, "first", 0, 2.0)
        _read_code(value, "first", 0, 1.0)
        output[0, BLOCKS["leaning"]] = 0.05 * part.sign * _CODE
        return query, key, value, output
    _read_code(query, "pronoun", 0, 0.56)
    _read_code(key, "occupation", 0, 2.0)
    _read_code(query, "gender", 1, 0.06 * dose * part.sign)
    _read_code(key, "tie", 1, 2.0)
    value[BLOCKS["identity"]] = np.eye(HEAD_WIDTH)
    if part.label == "moves":
        output[:, BLOCKS["dead"]] = 0.1 * _zero_sum(rng.standard_normal((HEAD_WIDTH, _width("dead"))))
    else:
        written = part.sign if part.label == "carries" else -part.sign
        output[:, BLOCKS["output"]] = 0.1 * written * _zero_sum(np.eye(HEAD_WIDTH))
    return query, key, value, output


def _read_code(matrix: Array, block: str, column: int, weight: float) -> None:
    matrix[BLOCKS[block], column] = weight / 2 * _CODE


def _reading(columns: int, rng: np.random.Generator) -> Array:
    """Noise that reads everything but the blocks that must stay unseen."""
    matrix: Array = _READ_NOISE * rng.standard_normal((WIDTH, columns))
    for block in _UNSEEN:
        matrix[BLOCKS[block]] = 0.0
    return matrix


def _writing(rows: int, blocks: Sequence[str], rng: np.random.Generator) -> Array:
    """Noise that writes into some blocks, a sum of 0 into each."""
    matrix = np.zeros((rows, WIDTH))
    for block in blocks:
        matrix[:, BLOCKS[block]] = _zero_sum(_WRITE_NOISE[block] * rng.standard_normal((rows, _width(block))))
    return matrix


def _zero_sum(rows: Array) -> Array:
    centred: Array = rows - rows.mean(axis=1, keepdims=True)
    return centred


def _width(block: str) -> int:
    start, stop = BLOCKS[block].start, BLOCKS[block].stop
    return int(stop) - int(start)
