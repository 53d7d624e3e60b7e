"""PEFT adapter folders: the base model is found, and the adapter merged into its weights."""

from __future__ import annotations

import json
from typing import Any, cast

from transformers import PreTrainedModel

from audit.errors import ModelError
from probes.resolve import Source, resolve

_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"


def base_of(source: Source, *, allow_pickle: bool = False) -> Source | None:
    """The model that an adapter changes.

    Args:
        source: any model.
        allow_pickle: whether pickled weights may be brought from the hub.
    Returns:
        Where the base model lies (a relative path counts from the adapter's folder first); None where
        the source is no adapter folder.
    Raises:
        ModelError: the adapter names no base, or its base cannot be found.
    """
    file = source.path / _CONFIG
    if source.kind != "folder" or not file.is_file() or (source.path / "config.json").is_file():
        return None
    try:
        name = json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{source.name}: {_CONFIG} cannot be read ({error})") from error
    if not isinstance(name, str) or not name:
        raise ModelError(f"{source.name}: {_CONFIG} names no base model (base_model_name_or_path)")
    if not (source.path / _WEIGHTS).is_file():
        raise ModelError(f"{source.name}: the adapter has no weights (no {_WEIGHTS} in it)")
    beside = source.path / name
    try:
        base = resolve(str(beside) if beside.exists() else name, allow_pickle=allow_pickle)
    except ModelError as error:
        raise ModelError(f"{source.name}: the adapter's base model cannot be found: {error}") from error
    if (
        base.kind == "folder"
        and (base.path / _CONFIG).is_file()
        and not (base.path / "config.json").is_file()
    ):
        raise ModelError(
            f"{source.name}: the adapter's base model {name} is an adapter itself; merge that first"
        )
    return base


def merge(source: Source, net: PreTrainedModel) -> PreTrainedModel:
    """Merge an adapter into its base, so that attention modules are the stock ones and rows are exact.

    Args:
        source: the adapter's folder.
        net: the base model.
    Raises:
        ModelError: PEFT is not installed, or the adapter does not fit the base.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelError(
            f"{source.name}: this is a PEFT adapter, and PEFT is not installed; run: pip install 'evenhand[peft]'"
        ) from error
    try:
        adapted: Any = PeftModel.from_pretrained(net, str(source.path), local_files_only=True)
        merged: Any = adapted.merge_and_unload(safe_merge=True).eval()
    except Exception as error:
        # PEFT tells a misfit in many ways (KeyError, ValueError, RuntimeError of torch).
        first = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{source.name}: the adapter cannot be merged into its base ({type(error).__name__}: {first})"
        ) from error
    return cast(PreTrainedModel, merged)
