"""Turns what the user named into a model, before it is proven that it can be measured."""

from __future__ import annotations

from audit.config import RunConfig
from audit.protocols import Backend, Model
from audit.registry import BACKENDS


def backend() -> Backend:
    """The backend that loads every model."""
    found: Backend = BACKENDS.get("transformers")
    return found


def load_unproven(spec: str, config: RunConfig, allow_pickle: bool = False) -> Model:
    """Load a model; raises ModelError where it cannot be found or loaded."""
    return backend().load(spec, dtype=config.dtype, device=config.device, allow_pickle=allow_pickle)
