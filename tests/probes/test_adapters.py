"""PEFT adapter folders: the base is found, the adapter merged, and both are in the fingerprint."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
import transformers

from audit.errors import ModelError
from probes.fingerprint import file_digest
from probes.load import load
from probes.selftest import self_test
from tests.needs import missing
from tests.probes import tiny


def adapter(
    place: Path, base: str, family: str = "llama", targets: tuple[str, ...] = ("q_proj", "v_proj")
) -> Path:
    """Save a LoRA adapter that changes something, naming its base."""
    if importlib.util.find_spec("peft") is None:
        missing("PEFT", "`make test`")
    from peft import LoraConfig, get_peft_model

    net = get_peft_model(
        tiny.network(family), LoraConfig(r=4, target_modules=list(targets), task_type="CAUSAL_LM")
    )
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.full_like(weight, 0.5))
    net.save_pretrained(place)
    config = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
    (place / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": base}))
    return place


def message(place: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(str(place))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("named", ["relative", "absolute"])
def test_an_adapter_is_merged_into_its_base(tmp_path: Path, named: str) -> None:
    base = tiny.folder(tmp_path / "base")
    place = adapter(tmp_path / "lora", "../base" if named == "relative" else str(base))
    model = load(str(place))
    assert type(model.net) is transformers.LlamaForCausalLM
    assert [step for step in self_test(model) if not step.passed] == []
    assert model.hashes["model.safetensors"] == file_digest(base / "model.safetensors")
    weights = "adapter_model.safetensors"
    assert model.hashes[f"adapter/{weights}"] == file_digest(place / weights)
    ids = torch.tensor([[1, 4, 5, 8, 3]])
    from peft import PeftModel

    unmerged = PeftModel.from_pretrained(tiny.network("llama"), str(place)).eval()
    with torch.no_grad():
        ours, theirs = model.net(input_ids=ids).logits, unmerged(input_ids=ids).logits
        plain = load(str(base)).net(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
    assert float((ours - plain).abs().max()) > 0.1


def test_without_peft_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.folder(tmp_path / "base")
    place = adapter(tmp_path / "lora", "../base")
    monkeypatch.setitem(sys.modules, "peft", None)
    assert message(place) == (
        f"{place}: this is a PEFT adapter, and PEFT is not installed; run: pip install 'evenhand[peft]'"
    )


def test_an_adapter_of_another_model(tmp_path: Path) -> None:
    tiny.folder(tmp_path / "base", "gpt2")
    place = adapter(tmp_path / "lora", "../base")
    assert message(place).startswith(f"{place}: the adapter cannot be merged into its base (")


def written(place: Path, config: str) -> Path:
    place.mkdir()
    (place / "adapter_config.json").write_text(config)
    (place / "adapter_model.safetensors").write_bytes(b"")
    return place


def test_an_adapter_without_a_base(tmp_path: Path) -> None:
    place = written(tmp_path / "lora", "{}")
    assert message(place) == f"{place}: adapter_config.json names no base model (base_model_name_or_path)"


def test_an_adapter_whose_base_is_not_there(tmp_path: Path) -> None:
    place = written(tmp_path / "lora", '{"base_model_name_or_path": "./gone"}')
    assert message(place) == (
        f"{place}: the adapter's base model cannot be found: ./gone: no such file or folder"
    )


def test_an_adapter_of_an_adapter(tmp_path: Path) -> None:
    written(tmp_path / "first", '{"base_model_name_or_path": "./gone"}')
    place = written(tmp_path / "second", '{"base_model_name_or_path": "../first"}')
    assert message(place) == (
        f"{place}: the adapter's base model ../first is an adapter itself; merge that first"
    )


def test_an_adapter_without_weights(tmp_path: Path) -> None:
    place = written(tmp_path / "lora", '{"base_model_name_or_path": "../base"}')
    (place / "adapter_model.safetensors").unlink()
    assert message(place) == f"{place}: the adapter has no weights (no adapter_model.safetensors in it)"


def test_an_adapter_config_that_cannot_be_read(tmp_path: Path) -> None:
    place = written(tmp_path / "lora", "{")
    assert message(place).startswith(f"{place}: adapter_config.json cannot be read (Expecting property name")
