"""Loads what ``--model`` named, so that its attention goes through ``probes.route``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from audit.errors import MeasurementError, ModelError
from probes.convert import converted
from probes.fingerprint import fingerprint
from probes.model import Family, LoadedModel
from probes.quiet import quiet
from probes.resolve import Source, resolve
from probes.route import ROUTE

_DTYPES: dict[str, torch.dtype | str] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
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
        spec: ``demo``, a folder, a ``.gguf`` file or a hub id.
        dtype: ``float32``, ``bfloat16`` or ``auto`` (as the checkpoint was saved).
        device: a torch device.
        allow_pickle: whether weights that are only there as a pickle may be read.
    Raises:
        ModelError: the model cannot be found, loaded, or measured exactly.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {dtype!r}; expected {', '.join(_DTYPES)}")
    with quiet():
        source = resolve(spec, allow_pickle=allow_pickle)
        hashes = fingerprint(source)
        folder = _folder(source, hashes)
        request = _Request(spec, folder, dtype, device, allow_pickle)
        family, net = _network(request)
        tokenizer = _tokenizer(request)
        _route(spec, net)
    return LoadedModel(spec, net, tokenizer, family, hashes)


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


def _network(request: _Request) -> tuple[Family, PreTrainedModel]:
    safe = _has_safetensors(request)
    try:
        config = AutoConfig.from_pretrained(request.folder, local_files_only=True)
        if config.model_type in _MISREPORTING:
            raise ModelError(
                f"{request.name}: {config.model_type} reports other attention than it computes; "
                "it cannot be measured exactly"
            )
        family, factory = _kind(config)
        net, report = factory.from_pretrained(
            request.folder,
            config=config,
            dtype=_DTYPES[request.dtype],
            use_safetensors=safe,
            local_files_only=True,
            output_loading_info=True,
        )
        net = net.to(torch.device(request.device)).eval()
    except ModelError:
        raise
    except Exception as error:
        # A broken checkpoint fails in many ways (json, safetensors, torch, transformers).
        raise ModelError(f"{request.name}: cannot be loaded ({_first_line(error)})") from error
    _check_weights(request.name, net, report)
    return family, net


def _kind(config: Any) -> tuple[Family, Any]:
    """The family and the transformers class that its architecture asks for."""
    architecture = (config.architectures or [""])[0]
    if config.is_encoder_decoder:
        return "encoder-decoder", transformers.AutoModelForSeq2SeqLM
    if "MaskedLM" in architecture:
        return "encoder", transformers.AutoModelForMaskedLM
    if architecture.endswith("Model") and config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder", transformers.AutoModel
    return "decoder", transformers.AutoModelForCausalLM


def _check_weights(name: str, net: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse weights that are missing (transformers would fill them at random) or not numbers."""
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ModelError(f"{name}: the checkpoint lacks {len(missing)} weights, such as {missing[0]}")
    for key, weight in net.named_parameters():
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


def _route(name: str, net: PreTrainedModel) -> None:
    """Send the model's attention through evenhand's route, or say that it cannot be."""
    architecture = type(net).__name__
    # Without SDPA (Gemma 2's soft cap, the sinks of gpt-oss) the unwatched pass has no exact counterpart.
    if net._supports_sdpa:
        net.set_attn_implementation(ROUTE)
    if net.config._attn_implementation != ROUTE:
        raise ModelError(
            f"{name}: the attention of {architecture} does not go through transformers' SDPA interface; "
            "this family cannot be measured yet"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0]}"
