"""What was loaded and how it was computed, from the names of the model's files."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from audit.results import ModelInfo

#: How GGUF files name the type of their weights: ``Q4_K_M``, ``IQ3_XXS``, ``Q8_0``, ``F16``, ``MXFP4``.
_TYPE: Final = re.compile(
    r"(?<![a-z0-9])((?:iq|tq|q)\d(?:_[a-z0-9]+)*|mxfp4|bf16|f16|f32|fp16|fp32)(?![a-z0-9])", re.IGNORECASE
)


def loaded_from(model: ModelInfo) -> str | None:
    """The ``.gguf`` file that the model was loaded from, where the model's own name does not tell it."""
    files = _gguf(model)
    return files[0] if files and files[0] not in model.name else None


def precision(model: ModelInfo) -> str:
    """Tell the type of the weights as they were stored, where it is known, and of the computation.

    Weights that were stored in four bits and computed in float32 are not the float32 model.

    Args:
        model: which model was audited; the names of its hashed files are read.
    Returns:
        Such as ``Q4_1 weights, computed in float32``, or ``computed in float32``.
    """
    computed = f"computed in {model.dtype}"
    files = _gguf(model)
    if not files:
        return computed
    named = [_TYPE.findall(PurePath(name).stem) for name in files]
    types = dict.fromkeys(found[-1].upper() for found in named if found)
    return f"{' and '.join(types) or 'GGUF'} weights, {computed}"


def _gguf(model: ModelInfo) -> list[str]:
    return [name for name in model.hashes if name.lower().endswith(".gguf")]
