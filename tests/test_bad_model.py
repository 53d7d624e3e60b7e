"""A model that cannot be loaded or measured ends in one line; pairs that cannot are counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.cli import main
from tests.conftest import Told
from tests.needs import demo_file
from tests.tiny_suite import SUITE, write_suite


def copied(tiny_folder: Path, to: Path) -> Path:
    shutil.copytree(tiny_folder, to)
    return to


def no_model(tiny_folder: Path, tmp_path: Path) -> str:
    return "there is no such model"


def no_file(tiny_folder: Path, tmp_path: Path) -> str:
    return "models/absent.gguf"


def empty_folder(tiny_folder: Path, tmp_path: Path) -> str:
    (tmp_path / "m").mkdir()
    return "m"


def without_weights(tiny_folder: Path, tmp_path: Path) -> str:
    (copied(tiny_folder, tmp_path / "m") / "model.safetensors").unlink()
    return "m"


def pickled(tiny_folder: Path, tmp_path: Path) -> str:
    without_weights(tiny_folder, tmp_path)
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    return "m"


def cut_short(tiny_folder: Path, tmp_path: Path) -> str:
    weights = copied(tiny_folder, tmp_path / "m") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    return "m"


def not_gguf(tiny_folder: Path, tmp_path: Path) -> str:
    (tmp_path / "m.gguf").write_bytes(b"hello")
    return "m.gguf"


def on_the_hub(tiny_folder: Path, tmp_path: Path) -> str:
    return "nobody/nothing"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            no_model,
            "'there is no such model': not a model; expected a folder, a .gguf file, a hub id or 'demo'",
        ),
        (no_file, "models/absent.gguf: no such file or folder"),
        (empty_folder, "m: not a model folder: no config.json in it"),
        (without_weights, "m: the model folder has no weights (no .safetensors file in it)"),
        (
            pickled,
            "m: the weights are there only as a pickle (pytorch_model.bin), which can run code when it is "
            "read; convert them to safetensors, or pass --allow-pickle if you trust their source",
        ),
        (
            cut_short,
            "m: cannot be loaded (SafetensorError: Error while deserializing header: incomplete metadata, "
            "file not fully covered)",
        ),
        (not_gguf, "m.gguf: not a GGUF file (it starts with b'hell')"),
        (
            on_the_hub,
            "nobody/nothing: no such folder, and the hub cannot be reached (no network, or HF_HUB_OFFLINE is "
            "set); this model is not in the local cache",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_model_that_cannot_be_loaded(
    told: Told,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    model: Callable[[Path, Path], str],
    message: str,
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    write_suite(tmp_path)
    suite = ["jobs.yaml", "--out", "run"] if command == "run" else []
    assert told(command, *suite, "--model", model(tiny_folder, tmp_path)) == message


@pytest.mark.parametrize("size", [100, 20_000, pytest.param(3_000_000, marks=pytest.mark.slow)])
def test_a_gguf_file_that_is_cut_short(
    told: Told,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    with demo_file().open("rb") as whole:
        (tmp_path / "m.gguf").write_bytes(whole.read(size))
    write_suite(tmp_path)
    message = told("run", "jobs.yaml", "--model", "m.gguf", "--out", "run")
    assert message.startswith("m.gguf: cannot be unpacked (")
    assert message.endswith("); the file may be cut short")
    assert "\n" not in message


def test_a_pickle_is_read_only_on_demand(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file

    folder = copied(tiny_folder, tmp_path / "m")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert main(["doctor", "--model", str(folder), "--allow-pickle"]) == 0
    assert capsys.readouterr().err == ""


def test_a_model_whose_logits_are_all_nan_is_an_error(
    told: Told, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from probes.backend import TransformersBackend
    from probes.model import LoadedModel
    from probes.selftest import self_test

    def broken(model: LoadedModel) -> object:
        with torch.no_grad():
            model.net.get_output_embeddings().weight.fill_(float("nan"))
        return self_test(model)

    monkeypatch.setattr(TransformersBackend, "self_test", lambda backend, model: broken(model))
    write_suite(tmp_path)
    message = told("run", "jobs.yaml", "--model", str(tiny_folder), "--out", "run", code=4)
    assert message == f"{tiny_folder}: the logits hold NaN or infinite values"


def test_pairs_with_nan_logits_make_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tiny_model import write_nan_model

    monkeypatch.chdir(tmp_path)
    write_nan_model(tmp_path / "m", "plumber")
    write_suite(tmp_path)
    capsys.readouterr()
    assert main(["run", "jobs.yaml", "--model", "m", "--config", "ci", "--out", "run", "--json"]) == 4
    said = capsys.readouterr()
    assert said.err == ""
    assert (
        json.loads(said.out)["why"] == "18 of 73 pairs could not be measured; an incomplete run never passes."
    )
    audit = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
    assert audit["verdict"] == "ERROR"
    assert (audit["coverage"]["measured"], audit["coverage"]["failed"]) == (55, 18)
    (reason,) = audit["coverage"]["failed_reasons"]
    assert (reason["reason"], reason["count"]) == ("the model's logits are NaN", 18)
    assert all("plumber" in pair_id for pair_id in reason["pair_ids"])


def test_a_pair_longer_than_the_window_is_skipped_and_told(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    filler = "The baker asked the pilot a question. " * 8
    start = SUITE.index("pairs:\n")
    write_suite(tmp_path, SUITE[:start] + SUITE[start:].replace('"The doctor', f'"{filler}The doctor'))
    gate = "probes: [likelihood]\nchecks:\n  - {id: c, measure: likelihood_diff, at_most: 1000, "
    (tmp_path / "gate.yaml").write_text(gate + "set_by: me, reason: r, date: 2020-01-01}\n", encoding="utf-8")
    arguments = ["run", "jobs.yaml", "--model", str(tiny_folder), "--config", "gate.yaml", "--json", "--out"]
    assert main([*arguments, "run"]) == 3
    said = capsys.readouterr()
    assert said.err == ""
    told = json.loads(said.out)
    assert (told["planned"], told["measured"]) == (73, 72)
    assert told["why"] == "1 of 73 pairs were skipped; an incomplete run never passes."
    assert [(c["id"], c["contrast"], c["verdict"]) for c in told["checks"]] == [("c", ["she", "he"], "PASS")]
    audit = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
    assert audit["coverage"]["skipped_reasons"] == [
        {
            "reason": "longer than the context window (74 tokens, the model takes 64)",
            "count": 1,
            "pair_ids": ["by-hand"],
        }
    ]
