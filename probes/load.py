"""Loads what ``--model`` named, so that its attention comes to evenhand's instruments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from audit.errors import MeasurementError, ModelError
from probes.adapters import base_of, merge
from probes.convert import converted
from probes.fingerprint import fingerprint
from probes.model import Family, Head, LoadedModel
from probes.model_class import choose_class
from probes.padding import refuse_padding
from probes.quiet import quiet
from probes.resolve import Source, resolve
from probes.routing import open_attention

_DTYPES: dict[str, torch.dtype | str] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "auto": "auto",
}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

#: Families whose reported attention is not the attention they compute.
_MISREPORTING = ("prophetnet", "xlm-prophetnet", "longformer", "led")


@dataclass(frozen=True, slots=True)
class _Request:
    """What to load and how."""

    name: str
    folder: Path
    dtype: str
    device: str
    allow_pickle: bool


def load(
    spec: str, *, dtype: str = "float32", device: str = "cpu", allow_pickle: bool = False
) -> LoadedModel:
    """Load a model and route its attention through evenhand.

    Args:
        spec: ``demo``, a folder (also one with a PEFT adapter), a ``.gguf`` file or a hub id.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``auto`` (as the checkpoint was saved).
        device: a torch device; ``auto`` lets accelerate spread the layers.
        allow_pickle: whether weights that are only there as a pickle may be read.
    Raises:
        ModelError: the model cannot be found, loaded, or measured exactly.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {dtype!r}; expected {', '.join(_DTYPES)}")
    with quiet():
        source = resolve(spec, allow_pickle=allow_pickle)
        base = base_of(source, allow_pickle=allow_pickle)
        hashes = fingerprint(base or source)
        folder = _folder(base or source, hashes)
        request = _Request(spec, folder, dtype, device, allow_pickle)
        head, net = _network(request)
        if base is not None:
            net = merge(source, net)
            hashes = {**hashes, **{f"adapter/{name}": sha for name, sha in fingerprint(source).items()}}
        tokenizer = _tokenizer(request)
        family, head = _opened(spec, net, head)
        model = LoadedModel(spec, net, tokenizer, family, hashes, head)
        if model.reads_padding:
            refuse_padding(net)
    return model


def _folder(source: Source, hashes: Any) -> Path:
    if source.kind == "gguf":
        return converted(source.path, hashes[source.path.name])
    return source.path


def _has_safetensors(request: _Request) -> bool:
    """Whether the weights are safetensors; refuses folders without weights and pickles."""
    folder = request.folder
    if not (folder / "config.json").is_file():
        raise ModelError(f"{request.name}: not a model folder: no config.json in it")
    if any(folder.glob("*.safetensors")):
        return True
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
    if not pickled:
        raise ModelError(f"{request.name}: the model folder has no weights (no .safetensors file in it)")
    if not request.allow_pickle:
        raise ModelError(
            f"{request.name}: the weights are there only as a pickle ({pickled[0]}), which can run code "
            "when it is read; convert them to safetensors, or pass --allow-pickle if you trust their source"
        )
    return False


def _network(request: _Request) -> tuple[Head, PreTrainedModel]:
    safe = _has_safetensors(request)
    try:
        config = AutoConfig.from_pretrained(request.folder, local_files_only=True)
        _refuse_by_name(request.name, config)
        head, factory = choose_class(config)
        net, report = factory.from_pretrained(
            request.folder,
            config=config,
            dtype=_DTYPES[request.dtype],
            use_safetensors=safe,
            local_files_only=True,
            output_loading_info=True,
            # Falcon cannot be switched later; every other route is taken from here.
            attn_implementation="eager",
            **({"device_map": "auto"} if request.device == "auto" else {}),
        )
        if request.device != "auto":
            net = net.to(torch.device(request.device))
        net = net.eval()
    except ModelError:
        raise
    except Exception as error:
        # A broken checkpoint fails in many ways (json, safetensors, torch, transformers).
        raise ModelError(f"{request.name}: cannot be loaded ({_first_line(error)})") from error
    _check_weights(request.name, net, report)
    return head, net


def _refuse_by_name(name: str, config: Any) -> None:
    """Refuse what no trial can find out."""
    if config.model_type in _MISREPORTING:
        raise ModelError(
            f"{name}: {config.model_type} reports other attention than it computes; "
            "it cannot be measured exactly"
        )
    if getattr(config, "attention_type", None) == "block_sparse":
        raise ModelError(
            f"{name}: block-sparse attention gives no row over all tokens, and becomes full attention after "
            'the first short text; write "attention_type": "original_full" into its config.json'
        )


def _opened(name: str, net: PreTrainedModel, head: Head) -> tuple[Family, Head]:
    """Open the network's attention; its own rows tell whether it looks both ways."""
    try:
        anatomy = open_attention(net)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    except Exception as error:
        raise ModelError(f"{name}: cannot be run on a trial text ({_first_line(error)})") from error
    if net.config.is_encoder_decoder:
        return "encoder-decoder", head
    if anatomy.causal:
        return "decoder", head
    # XLNet's head predicts permuted tokens: not what follows a text.
    return "encoder", "none" if head == "causal-lm" else head


def _check_weights(name: str, net: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse weights that are missing (transformers would fill them at random) or not numbers."""
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ModelError(f"{name}: the checkpoint lacks {len(missing)} weights, such as {missing[0]}")
    for key, weight in net.named_parameters():
        if weight.is_meta:
            raise ModelError(f"{name}: does not fit into memory (accelerate left {key} on the disk)")
        if not torch.isfinite(weight).all():
            raise MeasurementError(f"{name}: the weights {key} hold NaN or infinite values")


def _tokenizer(request: _Request) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(request.folder, local_files_only=True)
    except Exception as error:
        raise ModelError(f"{request.name}: the tokenizer cannot be loaded ({_first_line(error)})") from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"{request.name}: {type(tokenizer).__name__} does not tell where its tokens lie in the text "
            "(it is not a fast tokenizer); words cannot be found"
        )
    return tokenizer


def _first_line(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0]}"
