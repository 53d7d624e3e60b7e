"""The README and the command line tell the same story."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit.cli import app
from audit.config import RunConfig
from audit.loader import load_suite
from audit.results import ExitCode, Verdict

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`evenhand {command}" in README


def test_no_command_is_invented() -> None:
    assert set(re.findall(r"`evenhand ([a-z]+)", README)) == set(COMMANDS)


def test_the_first_block_is_two_targets_of_the_makefile() -> None:
    block = re.search(r"```sh\n(.*?)```", README, re.S)
    assert block is not None
    targets = [line.removeprefix("make ") for line in block[1].split("\n") if line]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["audit", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_exit_codes_are_told() -> None:
    told = {int(code): text for code, text in re.findall(r"^\| (\d) \| (.*) \|$", README, re.M)}
    assert set(told) == {int(code) for code in ExitCode}
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR):
        assert told[int(ExitCode.of(verdict))].startswith(verdict)


def test_the_suites_named_load_and_the_limits_are_those_of_the_preset() -> None:
    assert load_suite("suites/quickstart.yaml").suite.suite == "quickstart"
    assert RunConfig().q == 0.05
