"""The README and the command line tell the same story."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from audit.cli import app
from audit.config import RunConfig
from audit.expand import expand
from audit.lint import lint
from audit.loader import load_config, load_suite
from audit.registry import REPORTS
from audit.results import ExitCode, Verdict

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`evenhand {command}" in README


def test_every_format_of_a_report_is_told() -> None:
    told = re.search(r"^\| `evenhand report .*$", README, re.M)
    assert told is not None
    assert set(re.findall(r"`([a-z-]+)`", told[0])) == set(REPORTS.names())


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


def yaml_block(start: str) -> str:
    """The block that begins so."""
    (found,) = (block for block in re.findall(r"```yaml\n(.*?)```", README, re.S) if block.startswith(start))
    return found


def test_the_suite_shown_lints_and_only_its_size_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "kitchen.yaml").write_text(yaml_block("suite: kitchen"), encoding="utf-8")
    loaded = load_suite(tmp_path / "kitchen.yaml")
    assert {finding.rule for finding in lint(loaded)} == {"levels"}
    assert {finding.severity for finding in lint(loaded)} == {"warning"}
    pairs = expand(loaded)
    assert sum(pair.kind == "treatment" for pair in pairs) == 2 * 4 * 2
    assert pairs[0].a.text == "The nurse cooked for the surgeon. She thanked the"
    assert pairs[0].completions == (" surgeon", " nurse")


def test_the_config_shown_loads(tmp_path: Path) -> None:
    (tmp_path / "release-2.yaml").write_text(yaml_block("preset: "), encoding="utf-8")
    config = load_config(tmp_path / "release-2.yaml")[0]
    assert [check.id for check in config.checks] == ["heads", "effect"]
    assert config.waivers[0].check == "effect"


def test_the_checks_of_changes_shown_load(tmp_path: Path) -> None:
    (tmp_path / "changes.yaml").write_text(yaml_block("checks:"), encoding="utf-8")
    config = load_config(tmp_path / "changes.yaml")[0]
    assert [(check.measure, check.at_most, check.worse_by_at_most) for check in config.checks] == [
        ("total_effect", None, 0.05),
        ("flagged_heads", None, 0.0),
    ]


def test_the_tests_of_embeddings_shown_load(tmp_path: Path) -> None:
    head = "suite: words\nversion: 1\naxis: gender\ntask: embedding\n"
    head += "lists: {job: [{name: nurse, female_share: 88}]}\n"
    (tmp_path / "words.yaml").write_text(head + yaml_block("associations:"), encoding="utf-8")
    loaded = load_suite(tmp_path / "words.yaml")
    assert lint(loaded) == []
    assert [one.id for one in (*loaded.suite.associations, *loaded.suite.projections)] == [
        "family-career",
        "jobs",
    ]


def test_the_matrix_shown_runs_every_shard_once_and_merges_them() -> None:
    jobs = yaml.safe_load(yaml_block("jobs:"))["jobs"]
    numbers = jobs["shard"]["strategy"]["matrix"]["shard"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    (measured,) = (run for run in runs if "evenhand run" in run)
    (of,) = re.findall(r"--shard \$\{\{ matrix\.shard \}\}/(\d+) --out shard", measured)
    assert numbers == [*range(1, int(of) + 1)]
    assert jobs["verdict"]["needs"] == "shard"
    assert runs[-1] == "evenhand merge shards/* --out run"
    accepted = {int(code) for code in re.findall(r"in ([\d|]+)\)", measured)[0].split("|")}
    assert accepted == {ExitCode.FAIL, ExitCode.INCONCLUSIVE}
