"""The command line, in this process: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import audit.api
from audit.cli import main
from audit.errors import EvenhandError, MeasurementError, ModelError, StoreError
from audit.loader import built_in
from tests.tiny_suite import SUITE, write_suite

Captured = pytest.CaptureFixture[str]
COMMANDS = (
    "run",
    "gate",
    "report",
    "doctor",
    "merge",
    "compare",
    "figure",
    "lint",
    "schema",
    "list",
    "waivers",
    "import",
    "selfcheck",
    "power",
    "verify",
)


def ended(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_help_names_every_command(capsys: Captured) -> None:
    code, out, err = ended(capsys, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: evenhand [OPTIONS] COMMAND [ARGS]...")
    assert [line.split()[0] for line in out[out.index("Commands:") :].splitlines()[1:] if line] == [*COMMANDS]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(capsys: Captured, command: str) -> None:
    code, out, _ = ended(capsys, command, "--help")
    assert code == 0
    lines = [line for line in out.splitlines() if line.startswith("  -")]
    options = out[out.index("Options:") :].splitlines()[1:]
    for number, line in enumerate(options):
        if line.startswith("  -"):
            rest = line.split("  ")[2:]
            assert any(rest) or options[number + 1].startswith("      "), line
    assert lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "evenhand: No such command 'rnu'. Did you mean 'run'?\n"),
        (["run", "--model", "m"], "evenhand: Missing argument 'suites'.\n"),
        (["run", "s.yaml"], "evenhand: Missing option '--model'.\n"),
        (["gate"], "evenhand: Missing argument 'folder'.\n"),
        (["schema", "x"], "no schema of 'x'; expected suite or config\n"),
        (
            ["gate", "none"],
            "none/audit.json: no finished run here (No such file or directory); expected audit.json\n",
        ),
        (
            ["report", "none"],
            "none/audit.json: no finished run here (No such file or directory); expected audit.json\n",
        ),
    ],
)
def test_a_wrong_call_is_told_in_one_line(capsys: Captured, arguments: list[str], message: str) -> None:
    assert ended(capsys, *arguments) == (2, "", message)


def test_a_call_without_a_command_shows_the_help(capsys: Captured) -> None:
    code, out, err = ended(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: evenhand [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ModelError("m: no"), 2, "m: no\n"),
        (MeasurementError("NaN"), 4, "NaN\n"),
        (StoreError("full"), 4, "full\n"),
        (EvenhandError("e"), 2, "e\n"),
        (
            KeyboardInterrupt(),
            4,
            "evenhand: interrupted; a run goes on from its last batch when it is started again\n",
        ),
    ],
)
def test_errors_end_with_their_exit_code(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def failing(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(audit.api, "render", failing)
    assert ended(capsys, "report", "x") == (code, "", message)


def test_a_fault_of_the_program_is_an_error_and_not_a_fail(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit.api, "render", lambda *_: 1 / 0)
    code, out, err = ended(capsys, "report", "x")
    assert (code, out) == (4, "")
    assert err.startswith("Traceback (most recent call last):")
    assert err.splitlines()[-2:] == [
        "ZeroDivisionError: division by zero",
        "evenhand: this is a fault of evenhand; please report it with the lines above",
    ]


def test_list_names_what_is_installed(capsys: Captured) -> None:
    code, out, err = ended(capsys, "list")
    listed = {line.split()[0]: line[10:].split(", ") for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert list(listed) == ["suites", "presets", "probes", "reports", "figures", "backends"]
    assert listed["suites"] == [*built_in("suites")]
    assert {"ci", "quick", "release"} <= {*listed["presets"]}
    assert {"attention", "causal", "generation", "likelihood"} <= {*listed["probes"]}
    assert "html" in listed["reports"]
    assert "transformers" in listed["backends"]


@pytest.mark.parametrize("subject", ["suite", "config"])
def test_schemas_are_json(capsys: Captured, subject: str) -> None:
    code, out, err = ended(capsys, "schema", subject)
    assert (code, err) == (0, "")
    assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_lint_tells_every_fault_of_every_suite(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path)
    code, out, err = ended(capsys, "lint", "jobs.yaml")
    assert code == 0
    assert all(line.startswith("warning: jobs.yaml:") for line in err.splitlines())
    assert out == ("" if err else "jobs.yaml: no faults\n")
    write_suite(tmp_path, SUITE.replace("version: 1", "version: 0"), "broken.yaml")
    code, out, err = ended(capsys, "lint", "broken.yaml", "absent.yaml")
    assert (code, out) == (2, "")
    assert err == (
        "broken.yaml:2: version: out of range (got 0); expected at least 1\n"
        "absent.yaml: no such file or directory\n"
    )
