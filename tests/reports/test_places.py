"""Where findings lie: lines of thresholds and suites, told from the repository's root."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.results import Audit
from reports.places import Place, Places

CONFIG = """\
preset: ci   # the sample's
checks:
  - id: no-biased-heads
    measure: flagged_heads
    at_most: 0
    set_by: somebody
  - {id: answer-effect, measure: total_effect, at_most: 0.1}
"""


@pytest.fixture
def audit(runs: dict[str, tuple[Path, Audit]]) -> Audit:
    return runs["fail"][1]


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["mine.yaml", "configs/mine.yml", ".github/bias.yaml"])
def test_a_check_lies_at_its_threshold(audit: Audit, tmp_path: Path, name: str) -> None:
    write(tmp_path, name, CONFIG)
    write(tmp_path, "configs/broken.yaml", "preset: [")
    write(tmp_path, "configs/list.yaml", "- preset: ci")
    places = Places(audit, tmp_path)
    found = [places.of_check(check) for check in audit.gate.checks]
    assert found[0] == Place(name, 5, 5, 15, "at_most: 0")
    assert (found[1].line, found[1].column, found[1].end_column) == (7, 3, len(CONFIG.split("\n")[6]) + 1)


@pytest.mark.parametrize(
    "other",
    [
        CONFIG.replace("preset: ci", "preset: other"),
        CONFIG.replace("at_most: 0\n", "at_most: 1\n").replace("at_most: 0.1", "at_most: 0.2"),
        CONFIG.replace("id: ", "id: not-"),
        "preset: ci\nchecks: 7\n",
        "preset: ci\nchecks: [7, {id: no-biased-heads}, {at_most: many}, {id: [a], at_most: 0}]\n",
    ],
)
def test_a_config_with_another_threshold_is_not_taken(audit: Audit, tmp_path: Path, other: str) -> None:
    write(tmp_path, "mine.yaml", other)
    write(tmp_path, "suites/gender.yaml", "# a suite\nsuite: gender-occupation\nversion: 1\n")
    for check in audit.gate.checks:
        assert Places(audit, tmp_path).of_check(check) == Place(
            "suites/gender.yaml", 2, 1, 25, "suite: gender-occupation"
        )


def test_a_suite_that_is_not_at_hand_is_named_with_its_first_line(audit: Audit, tmp_path: Path) -> None:
    assert Places(audit, tmp_path).of_suite("gender-occupation") == Place("suites/gender.yaml", 1)
    assert Places(audit, tmp_path).of_suite("unknown") == Place("suites/gender.yaml", 1)


def test_without_suites_there_is_still_a_file(runs: dict[str, tuple[Path, Audit]], tmp_path: Path) -> None:
    assert Places(runs["empty"][1], tmp_path).of_suite("") == Place("audit.json", 1)


def test_columns_count_from_the_first_character_that_is_no_blank(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "\ufeffone: 1\r\n    two: [👩, b]  \r\n\n")
    places = Places(audit, tmp_path)
    assert places.at("a.yaml", 1) == Place("a.yaml", 1, 1, 7, "one: 1")
    assert places.at("a.yaml", 2) == Place("a.yaml", 2, 5, 16, "two: [👩, b]")
    for line in (0, 3, 99):
        assert places.at("a.yaml", line).end_column in (2, 7)
        assert places.at("a.yaml", line).line == max(1, line)


@pytest.mark.parametrize(
    ("given", "told", "uri"),
    [
        ("suites/../suites/a b#c.yaml", "suites/a b#c.yaml", "suites/a%20b%23c.yaml"),
        ("./x:y/ä.yaml", "x:y/ä.yaml", "x%3Ay/%C3%A4.yaml"),
        ("../elsewhere/secret.yaml", "secret.yaml", "secret.yaml"),
        ("/home/somebody/secret.yaml", "secret.yaml", "secret.yaml"),
        ("", "audit.json", "audit.json"),
        (".", "audit.json", "audit.json"),
    ],
)
def test_files_are_told_from_the_root_and_nothing_of_the_machine(
    audit: Audit, tmp_path: Path, given: str, told: str, uri: str
) -> None:
    root = tmp_path / "root"
    assert Places(audit, root).at(given, 3)[:2] == (told, 3)
    assert Places(audit, root).at(given, 3).uri == uri


def test_an_absolute_file_within_the_root_is_told_from_it(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path, "suites/mine.yaml", "suite: mine\n")
    assert Places(audit, tmp_path).at(str(tmp_path / "suites" / "mine.yaml"), 1).file == "suites/mine.yaml"
