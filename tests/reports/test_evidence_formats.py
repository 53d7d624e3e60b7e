"""Statements, bills of materials and model cards: valid for other tools, whatever the outcome and the texts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from markdown_it import MarkdownIt

from audit.dsse import key_id, public_key
from audit.results import Audit, HeadFinding, Verdict
from audit.results.visible import in_line, visible
from audit.store import write_audit, write_json
from reports.cyclonedx import CycloneDxReport
from reports.in_toto import InTotoReport
from reports.model_card import ModelCardReport, eval_results
from reports.slices import flagged_heads
from tests.evidence import write_keys
from tests.reports.edge_runs import EDGES, HOSTILE, poison, small_heads, write_edge
from tests.reports.sample_audit import audit_of, empty_audit
from tests.reports.sample_run import pair_table
from tests.reports.test_hostile_texts import Page

UNMEASURED = {
    **{"suite": "gender-occupation", "contrast": ("she", "he"), "stream": "self", "layer": 0},
    **{"label": "unmeasured", "flagged": False},
}
CASES = [*EDGES, *(verdict.value for verdict in Verdict), "empty", *HOSTILE]


def write_case(folder: Path, case: str) -> Audit:
    if case in EDGES:
        return write_edge(folder, case)  # type: ignore[arg-type]
    if case == "empty":
        audit = empty_audit()
    elif case in HOSTILE:
        audit = audit_of(Verdict.WAIVED, pair_table(), small_heads())
    else:
        audit = audit_of(Verdict(case), pair_table(), small_heads())
    folder.mkdir()
    write_audit(folder, audit)
    write_json(folder / "manifest.json", {"seed": 7})
    return poison(audit, HOSTILE[case]) if case in HOSTILE else audit


@pytest.fixture(params=CASES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Audit, str]:
    folder = tmp_path / "run"
    return folder, write_case(folder, request.param), HOSTILE.get(request.param, "")


def faults_of_bill(text: str) -> object:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_a_bill_of_materials_fits_the_schema(run: tuple[Path, Audit, str]) -> None:
    folder, audit, text = run
    (file,) = CycloneDxReport().render(folder, audit)
    content = file.read_text(encoding="utf-8")
    assert faults_of_bill(content) is None
    assert visible(content) == content
    bill = json.loads(content)
    model = bill["metadata"]["component"]
    assert (model["type"], bill["specVersion"]) == ("machine-learning-model", "1.6")
    told = {each["name"]: each["value"] for each in model["properties"]}
    assert told["evenhand:verdict"] == audit.verdict.value
    assert (
        told["evenhand:audit.json:sha256"] == hashlib.sha256((folder / "audit.json").read_bytes()).hexdigest()
    )
    if text:
        assert told["evenhand:why"] == visible(text)


def test_a_bill_that_breaks_the_schema_is_seen(tmp_path: Path) -> None:
    audit = write_case(tmp_path / "run", "FAIL")
    (file,) = CycloneDxReport().render(tmp_path / "run", audit)
    bill = json.loads(file.read_bytes())
    bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 3
    assert faults_of_bill(json.dumps(bill)) is not None


def test_a_bill_holds_hashes_slices_intervals_and_who_could_be_harmed(tmp_path: Path) -> None:
    audit = write_case(tmp_path / "run", "WAIVED")
    (file,) = CycloneDxReport().render(tmp_path / "run", audit)
    bill = json.loads(file.read_bytes())
    model = bill["metadata"]["component"]
    assert [each["content"] for each in model["hashes"]] == ["ab" * 32, "cd" * 32]
    assert [each["name"] for each in model["components"]] == ["model.safetensors", "tokenizer.json"]
    card = model["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {
        "type": "flagged_heads",
        "value": "3",
        "slice": f"gender-occupation, she against he, of {len(small_heads())} heads measured",
    }
    assert metrics[1] == {
        "type": "total_effect (nats)",
        "value": "0.241",
        "slice": "gender-occupation, axis gender, she against he",
        "confidenceInterval": {"lowerBound": "0.161", "upperBound": "0.321"},
    }
    undefined = [each for each in metrics if each["value"].startswith("undefined: ")]
    assert undefined
    assert all("confidenceInterval" not in each for each in undefined)
    (fair,) = card["considerations"]["fairnessAssessments"]
    assert fair["groupAtRisk"] == "women"
    assert fair["harms"].startswith("jobs ascribed by gender. Found: WAIVED: 3 attention heads carry bias")
    assert fair["mitigationStrategy"].startswith("waiver W-12 until 2027-02-01: ")
    assert card["considerations"]["technicalLimitations"][0] == "Only what the suite swaps is tested."
    assert bill["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "ef" * 32}]


def statement_of(folder: Path, audit: Audit) -> dict[str, Any]:
    (file,) = InTotoReport().render(folder, audit)
    assert file.name == "test-result.statement.json"
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def test_a_statement_is_one_of_the_predicate(run: tuple[Path, Audit, str]) -> None:
    folder, audit, _ = run
    found = statement_of(folder, audit)
    assert {*found} == {"_type", "subject", "predicateType", "predicate"}
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    names = [each["name"] for each in found["subject"]]
    assert len(names) == len(set(names)) > 0
    assert all(re.fullmatch("[0-9a-f]{64}", each["digest"]["sha256"]) for each in found["subject"])
    predicate = found["predicate"]
    assert {*predicate} == {"result", "configuration", "passedTests", "warnedTests", "failedTests"}
    tests = [*predicate["passedTests"], *predicate["warnedTests"], *predicate["failedTests"]]
    assert len(tests) == len(audit.gate.checks) + ("whole-run" in tests)
    assert all(visible(test) == test for test in tests)
    worst = next((name for name in ("failed", "warned", "passed") if predicate[f"{name}Tests"]), None)
    assert predicate["result"] == (worst or "").upper()


@pytest.mark.parametrize(
    ("verdict", "result"),
    [
        (Verdict.PASS, "PASSED"),
        (Verdict.WAIVED, "WARNED"),
        (Verdict.INCONCLUSIVE, "WARNED"),
        (Verdict.FAIL, "FAILED"),
        (Verdict.ERROR, "FAILED"),
    ],
)
def test_each_verdict_has_its_result(tmp_path: Path, verdict: Verdict, result: str) -> None:
    audit = write_case(tmp_path / "run", verdict.value)
    predicate = statement_of(tmp_path / "run", audit)["predicate"]
    assert predicate["result"] == result
    assert "gender-occupation: no-biased-heads (she/he)" in predicate[f"{result.lower()}Tests"]
    config = json.dumps(audit.config, sort_keys=True, separators=(",", ":")).encode()
    assert predicate["configuration"] == [
        {"name": "suites/gender.yaml", "digest": {"sha256": "ef" * 32}},
        {
            "name": "config",
            "digest": {"sha256": hashlib.sha256(config).hexdigest()},
            "mediaType": "application/json",
        },
    ]


def test_an_envelope_is_signed_as_dsse_says(tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    folder = tmp_path / "run"
    audit = write_case(folder, "FAIL")
    bare = statement_of(folder, audit)
    (file,) = InTotoReport().sign(folder, audit, private)
    assert file.name == "test-result.intoto.json"
    assert not (folder / "test-result.statement.json").exists()
    envelope = json.loads(file.read_bytes())
    assert {*envelope} == {"payload", "payloadType", "signatures"}
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload) == bare
    kind = envelope["payloadType"]
    assert kind == "application/vnd.in-toto+json"
    signed = " ".join(["DSSEv1", str(len(kind)), kind, str(len(payload)), ""]).encode() + payload
    (signature,) = envelope["signatures"]
    key = public_key(public)
    key.verify(base64.b64decode(signature["sig"]), signed)
    assert signature["keyid"] == key_id(key)


def test_a_card_is_read_back_by_the_hub(run: tuple[Path, Audit, str]) -> None:
    folder, audit, text = run
    card_file, *entries = ModelCardReport().render(folder, audit)
    content = card_file.read_text(encoding="utf-8")
    assert visible(content) == content
    card = ModelCard.load(card_file)
    defined = [f for f in audit.findings if f.estimate is not None and "_layer:" not in f.measure]
    contrasts = [each for each in flagged_heads(audit) if each.measured]
    found = card.data.eval_results or []
    assert len(found) == len(defined) + len(contrasts)
    assert sorted(each.metric_value for each in found if each.metric_type != "flagged_heads") == sorted(
        each.estimate for each in defined
    )
    page = Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(card.text))
    assert page.tags <= {
        *(
            "h1",
            "h2",
            "h3",
            "p",
            "strong",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "ul",
            "li",
            "code",
            "br",
        ),
    }
    assert page.links == []
    assert set(page.rows) <= {5, 6}
    assert audit.verdict.value in page.told
    if text:
        assert " ".join(in_line(text, 70).split())[:60].removesuffix("…") in " ".join(page.told.split())
    told = [
        entry for file in entries for entry in parse_eval_result_entries(yaml.safe_load(file.read_bytes()))
    ]
    assert len(told) == len([each for each in defined if each.control is None])
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", each.dataset_id) for each in told)
    assert all(file.parent == folder / ".eval_results" for file in entries)


def test_heads_that_nobody_measured_are_not_counted_as_none(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    audit = write_case(folder, "FAIL")
    heads = tuple(HeadFinding.model_validate({**UNMEASURED, "head": number}) for number in range(3))
    audit = audit.model_copy(update={"heads": heads})
    assert [each.told for each in flagged_heads(audit)] == ["no head's bias was measured"]
    (bill,) = CycloneDxReport().render(folder, audit)
    card = json.loads(bill.read_bytes())["metadata"]["component"]["modelCard"]
    first = card["quantitativeAnalysis"]["performanceMetrics"][0]
    assert (first["type"], first["value"]) == ("flagged_heads", "undefined: no head's bias was measured")
    assert all(each.metric_type != "flagged_heads" for each in eval_results(audit))


def test_a_card_tells_slices_with_their_intervals(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    card_file, entries = ModelCardReport().render(folder, write_case(folder, "FAIL"))
    found = ModelCard.load(card_file).data.eval_results
    (effect,) = [
        each
        for each in found or []
        if each.metric_type == "total_effect" and "control" not in each.metric_args
    ]
    assert (effect.metric_value, effect.dataset_config, effect.task_type) == (
        0.241,
        "gender",
        "text-generation",
    )
    assert effect.metric_args["contrast"] == "she/he"
    assert (effect.metric_args["ci_low"], effect.metric_args["ci_high"]) == pytest.approx((0.161, 0.321))
    (entry,) = [
        each
        for each in parse_eval_result_entries(yaml.safe_load(entries.read_bytes()))
        if each.task_id == "total_effect-she-he"
    ]
    assert (entry.dataset_id, entry.value) == ("gender-occupation", 0.241)
    assert "95 % interval 0.161 to 0.321; 240 pairs, 20 templates" in str(entry.notes)
    text = card_file.read_text(encoding="utf-8")
    for expected in (
        "| Total effect | she against he | 0.241 nats | 0.161 to 0.321 | 240 pairs, 20 templates, 20 items |",
        "| Total effect | Monday against Tuesday, control weekday | 0.010 nats | −0.050 to 0.070 |",
        "undefined: all words are associated alike",
        "**after the fact**",
        "group at risk: women",
        "Only what the suite swaps is tested.",
        "9 tokens more than the context window",
    ):
        assert expected in text
