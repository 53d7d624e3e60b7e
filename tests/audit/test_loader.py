"""What cannot be loaded: each fault with its file and line, and all at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import Fault, InputError
from audit.expand import expand
from audit.loader import load_suite
from audit.yaml_lines import read_document
from tests.audit.suite_text import ARMS, HEAD, ITEMS, SEED, TEMPLATE, loaded, told, written

KEYS = (
    "arms, associations, axis, controls, description, hazard, items, language, license, lists, pairs, "
    "projections, prompt, sources, suite, task, templates or version"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "jobs.yaml:1: the file is empty; expected YAML"),
        ("hello", "jobs.yaml:1: wrong type (got 'hello'); expected a mapping"),
        (
            HEAD + "arms: [she\npairs: []\n",
            "jobs.yaml:6: not valid YAML: expected ',' or ']', but got ':' while parsing a flow sequence",
        ),
        (HEAD + ARMS + "axis: age\n" + SEED, "jobs.yaml:8: axis: the key 'axis' is there twice"),
        (
            HEAD + ARMS + "templats: []\n" + SEED,
            f"jobs.yaml:8: templats: unknown key 'templats'; expected {KEYS}; did you mean 'templates'?",
        ),
        (
            HEAD + ARMS,
            "jobs.yaml:1: the suite is empty; expected 'templates' or 'pairs' with at least one entry",
        ),
        (
            HEAD + "arms:\n  - {id: she}\n" + SEED,
            "jobs.yaml:6: arms[0].group: required key is missing; expected what the arm stands for, "
            "such as female",
        ),
        (
            HEAD.replace("coreference", "corference") + ARMS + SEED,
            "jobs.yaml:4: task: unknown task 'corference'; expected sentence, completion, coreference, "
            "generation, "
            "masked, classification, question-answering, translation or embedding; did you mean 'coreference'?",
        ),
        (
            HEAD + ARMS + SEED + "lists: !include none.yaml\n",
            "jobs.yaml:14: lists: cannot include 'none.yaml': no such file or directory",
        ),
        (
            HEAD + ARMS + SEED + "lists: !include jobs.yaml\n",
            "jobs.yaml:14: lists: 'jobs.yaml' includes itself",
        ),
        (
            HEAD + ARMS + SEED + "lists: &a {b: *a}\n",
            "jobs.yaml:14: lists.b: an alias stands for something around it",
        ),
        (
            HEAD + ARMS + SEED + "license: !!python/name:os.system x\n",
            "jobs.yaml:14: license: not a valid python/name:os.system (got 'x')",
        ),
        (
            HEAD + ARMS + SEED + "license: 2026-02-31\n",
            "jobs.yaml:14: license: not a valid timestamp (got '2026-02-31')",
        ),
        (
            HEAD + ARMS + SEED + "    gold: Patient\n    source_row: {shee: 1}\n",
            "jobs.yaml:14: pairs[0].gold: unknown referent 'Patient'; expected Doctor or Nurse\n"
            "jobs.yaml:15: pairs[0].source_row: unknown arm 'shee'; expected she or he; did you mean 'she'?",
        ),
        (
            HEAD + ARMS + "pairs:\n  - {id: p, she: A., he: B., referents: [a, b], gold: a}\n",
            "jobs.yaml:9: pairs[0].gold: no pronoun is mentioned; expected 'pronoun' among the mentions",
        ),
        (
            HEAD + ARMS.replace("group: male,", "group: male, stereotypical: true,") + SEED,
            "jobs.yaml:7: arms[1].stereotypical: only the first arm may say the stereotype; expected it first",
        ),
        (
            HEAD + ARMS + SEED + "    hee: The Doctor. He\n",
            "jobs.yaml:14: pairs[0].hee: unknown key 'hee'; expected attributes, axis, cluster, "
            "completions, control, gold, he, id, item, mentions, order, referents, she, "
            "source_row or stereotype; did you mean 'he'?",
        ),
        (
            HEAD + ARMS + SEED.replace("he: Doctor}", "him: Doctor}"),
            "jobs.yaml:13: pairs[0].stereotype.him: unknown arm 'him'; expected she or he",
        ),
        (
            HEAD + ARMS + SEED.replace("{she: Nurse", "{she: Nurce"),
            "jobs.yaml:13: pairs[0].stereotype.she: unknown candidate 'Nurce'; expected Doctor or Nurse; "
            "did you mean 'Nurse'?",
        ),
        (
            HEAD + ARMS + ITEMS + TEMPLATE.replace("items: mixed", "items: mixd"),
            "jobs.yaml:15: templates[0].pick.items: unknown list of items 'mixd'; expected mixed; "
            "did you mean 'mixed'?",
        ),
        (
            HEAD + ARMS + ITEMS.replace("[nurse, pilot]", "[nurse, pilott]") + TEMPLATE,
            "jobs.yaml:15: templates[0].pick: no 'pilott' in the list 'job'; did you mean 'pilot'?",
        ),
        (
            HEAD + ARMS + ITEMS + TEMPLATE.replace("The {job.1}", "The {jbo.1}"),
            "jobs.yaml:15: templates[0].pick: unknown list 'jbo' in '{jbo.1}'; expected job or item; "
            "did you mean 'job'?",
        ),
        (
            HEAD + ARMS + ITEMS + TEMPLATE.replace("{Pronoun} said", "{Pronoun said"),
            "jobs.yaml:14: templates[0].text: the slots cannot be read (got 'The {job.1} met the "
            "{job.2}. {Pronoun "
            "said that the'): expected '}' before end of string",
        ),
        (
            HEAD + ARMS + SEED + "    completions: {' x': {tied_to: shee}, ' y': {tied_to: he}}\n",
            "jobs.yaml:14: pairs[0].completions[\" x\"].tied_to: unknown arm 'shee'; expected she or he; "
            "did you mean 'she'?",
        ),
        (
            HEAD + ARMS + SEED + "    completions: {' x': {tied_to: she}}\n",
            "jobs.yaml:14: pairs[0].completions: the completions cannot be compared (got 1); "
            "expected at least 2, all with 'reads_pronoun_as' or all with 'tied_to'",
        ),
        (
            HEAD + ARMS + SEED.replace("he: Doctor}", "he: Nurse}"),
            "jobs.yaml:13: pairs[0].stereotype: two arms are tied to the same candidate; "
            "expected a candidate for each",
        ),
        (
            HEAD + ARMS + ITEMS + TEMPLATE + "controls: [{id: c, items: mixed, reuse: mett}]\n",
            "jobs.yaml:21: controls[0].reuse: unknown template 'mett'; expected met; did you mean 'met'?",
        ),
        (
            HEAD
            + ARMS
            + ITEMS
            + TEMPLATE
            + "controls: [{id: c}, {id: c, template: a, arms: [x, {id: y}]}]\n",
            "jobs.yaml:21: controls[0]: the control has neither items nor templates; expected one of them\n"
            "jobs.yaml:21: controls[1].arms[1].group: required key is missing; "
            "expected what the arm stands for, such as female",
        ),
        (
            HEAD + ITEMS + TEMPLATE.replace("    pick", "    arms: []\n    pick"),
            "jobs.yaml:12: templates[0].arms: too few arms (got 0); expected at least 2",
        ),
        (
            HEAD + ITEMS + TEMPLATE,
            "jobs.yaml:1: arms: too few arms (got 0); expected at least 2",
        ),
        (
            HEAD + ARMS.replace("id: he", "id: she") + SEED.replace("    he:", "    # "),
            "jobs.yaml:7: arms[1].id: the id is there twice (got 'she')\n"
            "jobs.yaml:13: pairs[0].stereotype.he: unknown arm 'he'; expected she; did you mean 'she'?",
        ),
        (
            HEAD + "? [a, b]\n: 3\n",
            "jobs.yaml:5: a key is not plain text",
        ),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, text)
    assert told(caught.value, tmp_path) == message


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        HEAD.replace("version: 1", "version: one")
        + "arms:\n  - {id: 3, group: x}\n"
        + SEED
        + "    order: 2\n"
    )
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, text)
    assert told(caught.value, tmp_path).splitlines() == [
        "jobs.yaml:2: version: wrong type (got 'one'); expected a whole number",
        "jobs.yaml:6: arms[0].id: wrong type (got 3); expected text",
        "jobs.yaml:13: pairs[0].order: unknown order 2; expected 0 or 1",
    ]


def test_a_fault_in_an_included_file_is_told_there(tmp_path: Path) -> None:
    written(tmp_path, "- nurse\n- {nam: pilot}\n", "list.yaml")
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, HEAD + ARMS + SEED + "lists: {job: !include list.yaml}\n")
    assert told(caught.value, tmp_path) == (
        "list.yaml:2: lists.job[1].name: required key is missing; expected the word itself"
    )


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_bytes(b"suite: a\naxis: \xff\n")
    with pytest.raises(InputError) as caught:
        load_suite(tmp_path / "jobs.yaml")
    assert told(caught.value, tmp_path) == "jobs.yaml:2: the file is not UTF-8 text"


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_suite(tmp_path / "none.yaml")
    assert told(caught.value, tmp_path) == "none.yaml: no such file or directory"
    with pytest.raises(InputError) as caught:
        load_suite("quikstart")
    assert str(caught.value) == (
        "no such suite (got 'quikstart'); expected embedding-gender, quickstart or selfcheck, or a YAML file; "
        "did you mean 'quickstart'?"
    )


def test_anchors_and_merge_keys_share_parts(tmp_path: Path) -> None:
    text = "x-base: &base\n  a: 1\n  b: 2\nmade:\n  b: 3\n  <<: *base\n"
    text += "words: {no: on, 010: 0o7, day: 2026-11-01}\n"
    document = read_document(written(tmp_path, text))
    assert document.data["made"] == {"a": 1, "b": 3}
    assert (document.where(("made", "a")).line, document.where(("made", "b")).line) == (2, 5)
    assert "x-base" not in document.data
    assert document.data["words"]["no"] == "on"
    assert document.data["words"]["010"] == "0o7"
    assert document.data["words"]["day"].isoformat() == "2026-11-01"


def test_the_hash_covers_included_files(tmp_path: Path) -> None:
    text = HEAD + ARMS + SEED
    alone = loaded(tmp_path, text)
    assert alone.sha256 == hashlib.sha256(text.encode()).hexdigest()
    written(tmp_path, "[nurse]", "list.yaml")
    first = loaded(tmp_path, text + "lists: {job: !include list.yaml}\n").sha256
    written(tmp_path, "[pilot]", "list.yaml")
    assert loaded(tmp_path, text + "lists: {job: !include list.yaml}\n").sha256 != first


WHOLE = HEAD + ARMS + ITEMS + TEMPLATE + "controls:\n  - {id: same, items: mixed}\n" + SEED


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(WHOLE) - 1),
    st.integers(0, 12),
    st.sampled_from(
        [
            "",
            " ",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ":",
            "- ",
            "*a",
            "&a ",
            "!include .",
            "<<: ",
            "0",
            "'",
            "é",
            "\x00",
        ]
    ),
)
def test_a_damaged_suite_never_ends_in_a_traceback(tmp_path: Path, at: int, cut: int, put: str) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        expand(loaded(tmp_path, WHOLE[:at] + put + WHOLE[at + cut :]))
    except InputError as error:
        faults = error.faults
    assert all("\n" not in str(fault) for fault in faults)
