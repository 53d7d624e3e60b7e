"""Attention and vectors in one byte a number, as the page carries them for its scripts."""

from __future__ import annotations

import base64
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

#: Steps of a packed weight; of a packed vector on each side of zero.
WEIGHT_STEPS: Final = 255
VECTOR_STEPS: Final = 127
#: How far a packed weight may lie from the kept one: the step is finest where weights are small.
WEIGHT_ERROR: Final = 1 / WEIGHT_STEPS


class PackedVectors(NamedTuple):
    """Vectors of some heads in both texts.

    Args:
        a, b: base64 of int8 ``[heads, tokens, d]``.
        limits: base64 of little-endian float32 ``[heads, d]``, what ``VECTOR_STEPS`` stands for.
    """

    a: str
    b: str
    limits: str


def pack_weights(weights: npt.NDArray[np.float32], *, causal: bool) -> str:
    """Pack matrices: each weight as ``round(255 √w)``, so that ``|w − packed| ≤ √w / 255``; NaN as 0.

    Args:
        weights: ``[heads, queries, keys]``, 0 to 1.
        causal: whether only the lower triangles are packed, row by row; the rest is 0.
    Returns:
        Base64 of uint8.
    """
    codes = np.round(WEIGHT_STEPS * np.sqrt(np.clip(np.nan_to_num(weights), 0, 1))).astype(np.uint8)
    if causal:
        codes = codes[:, *np.tril_indices(codes.shape[1], 0, codes.shape[2])]
    return _base64(codes)


def is_causal(*weights: npt.NDArray[np.float32]) -> bool:
    """Whether square matrices hold nothing above their diagonals."""
    square = all(each.shape[-1] == each.shape[-2] for each in weights)
    return square and not any(np.triu(np.nan_to_num(each), 1).any() for each in weights)


def pack_vectors(a: npt.NDArray[np.float16], b: npt.NDArray[np.float16]) -> PackedVectors:
    """Pack vectors: each dimension of a head has a limit of its own, the same in both texts.

    Args:
        a, b: ``[heads, tokens, d]`` of either text.
    Returns:
        Both, each number within half a step, ``limit / 254``, of the kept one.
    """
    one, two = (np.asarray(each, dtype=np.float32) for each in (a, b))
    limits = np.maximum(np.abs(one).max(axis=1, initial=0), np.abs(two).max(axis=1, initial=0))
    step = np.where(limits > 0, limits, 1)[:, None] / VECTOR_STEPS
    packed = [_base64(np.round(each / step).astype(np.int8)) for each in (one, two)]
    return PackedVectors(packed[0], packed[1], _base64(limits.astype("<f4")))


def _base64(array: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(array.tobytes()).decode()
