"""Presets, and the schemas that editors read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from audit.config import RunConfig
from audit.errors import InputError
from audit.loader import load_config
from audit.schema import schema
from tests.audit.suite_text import told, written


@pytest.mark.parametrize("preset", ["quick", "ci", "release", "configs/quick.yaml"])
def test_presets_load(preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, document = load_config(preset)
    assert document.file == f"configs/{config.preset}.yaml"
    assert {check.id for check in config.checks} >= {"biased-heads", "total-effect"}


def test_a_wrong_preset_is_told(tmp_path: Path) -> None:
    text = (
        "q: 2\nseed: -1\nchecks:\n"
        "  - {id: a, measure: flagged_head, at_most: 0, set_by: me, reason: r, date: yesterday}\n"
    )
    with pytest.raises(InputError) as caught:
        load_config(written(tmp_path, text, "gate.yaml"))
    assert told(caught.value, tmp_path).splitlines()[:3] == [
        "gate.yaml:1: q: out of range (got 2); expected less than 1.0",
        "gate.yaml:2: seed: out of range (got -1); expected at least 0",
        "gate.yaml:4: checks[0].date: wrong type (got 'yesterday'); expected a date such as 2026-11-01",
    ]
    with pytest.raises(InputError) as caught:
        load_config("quik")
    assert str(caught.value) == (
        "no such config (got 'quik'); expected ci, quick or release, or a YAML file; did you mean 'quick'?"
    )


def test_a_waiver_must_belong_to_a_check_and_expire_later(tmp_path: Path) -> None:
    text = (
        "checks:\n"
        "  - {id: heads, measure: flagged_heads, at_most: 0, set_by: me, reason: r, date: 2026-11-01}\n"
        "  - {id: heads, measure: total_effect, at_most: 1, set_by: me, reason: r, date: 2026-11-01}\n"
        "waivers:\n"
        "  - {id: w, check: haeds, owner: o, approver: a, reason: r, created: 2026-11-02, expires: "
        "2026-11-01}\n"
    )
    with pytest.raises(InputError) as caught:
        load_config(written(tmp_path, text, "gate.yaml"))
    assert told(caught.value, tmp_path).splitlines() == [
        "gate.yaml:3: checks[1].id: the id is there twice (got 'heads')",
        "gate.yaml:5: waivers[0].check: unknown check 'haeds'; expected heads; did you mean 'heads'?",
        "gate.yaml:5: waivers[0].expires: expires before it was created (got '2026-11-01'); "
        "expected a date after 2026-11-02",
    ]


def test_the_schemas_know_shorthands_and_anchors() -> None:
    suite = schema("suite")
    assert suite["patternProperties"] == {"^x-": {}}
    assert {"suite", "version", "axis", "task"} == set(suite["required"])
    assert suite["additionalProperties"] is False
    assert suite["$defs"]["WrittenPair"]["additionalProperties"] == {"type": "string"}
    assert "checks" in schema("config")["properties"]


def test_a_probe_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="a probe is named twice; expected each probe once"):
        RunConfig(probes=("attention", "attention"))
