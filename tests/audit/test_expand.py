"""What a suite expands to."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import InputError
from audit.expand import expand, slug
from audit.latin_square import latin_square
from audit.mentions import differing_spans, whole_words
from audit.pairs import Pair, Text
from tests.audit.suite_text import ARMS, HEAD, ITEMS, SEED, TEMPLATE, loaded, told

WHOLE = HEAD + ARMS + ITEMS + TEMPLATE


def cut(text: Text) -> dict[str, str]:
    return {name: text.text[start:end] for name, (start, end) in text.mentions.items()}


def expanded(folder: Path, text: str) -> tuple[Pair, ...]:
    return expand(loaded(folder, text))


def test_both_orders_keep_the_candidate_that_is_tied_to_the_first_arm(tmp_path: Path) -> None:
    first, exchanged, *_ = expanded(tmp_path, WHOLE)
    assert first.a.text == "The nurse met the pilot. She said that the"
    assert first.b.text == "The nurse met the pilot. He said that the"
    assert exchanged.a.text == "The pilot met the nurse. She said that the"
    for pair in (first, exchanged):
        assert cut(pair.a) == {"pronoun": "She", "candidate_1": "nurse", "candidate_2": "pilot"}
        assert cut(pair.b) == {"pronoun": "He", "candidate_1": "nurse", "candidate_2": "pilot"}
        assert pair.completions == (" pilot", " nurse")
        assert pair.directed
        assert pair.unit == "met|nurse-pilot"
        assert [text.text[slice(*text.swap[0])] for text in (pair.a, pair.b)] == ["She", "He"]
    assert (first.order, exchanged.order) == (0, 1)
    assert (first.pair_id, exchanged.pair_id) == ("met.nurse-pilot.o0.she-he", "met.nurse-pilot.o1.she-he")
    assert (Path(first.file).name, first.line) == ("jobs.yaml", 13)


def test_renaming_the_tie_exchanges_candidates_and_completions(tmp_path: Path) -> None:
    swapped = WHOLE.replace('{she: "{job.1}", he: "{job.2}"}', '{she: "{job.2}", he: "{job.1}"}')
    for straight, turned in zip(expanded(tmp_path, WHOLE), expanded(tmp_path, swapped), strict=True):
        assert straight.a.mentions["candidate_1"] == turned.a.mentions["candidate_2"]
        assert straight.completions is not None
        assert turned.completions == straight.completions[::-1]


def test_three_arms_make_three_contrasts(tmp_path: Path) -> None:
    they = ARMS + "  - {id: they, group: neutral, slots: {pronoun: they, Pronoun: They}}\n"
    pairs = expanded(tmp_path, HEAD + they + ITEMS + TEMPLATE.replace(", both_orders: true", ""))
    assert Counter(pair.contrast for pair in pairs) == {
        ("she", "he"): 2,
        ("she", "they"): 2,
        ("he", "they"): 2,
    }
    by_contrast = {pair.contrast: pair for pair in pairs if pair.item == "nurse-pilot"}
    assert cut(by_contrast["she", "they"].a)["candidate_1"] == "nurse"
    assert cut(by_contrast["he", "they"].a)["candidate_1"] == "pilot"
    assert by_contrast["he", "they"].completions == (" nurse", " pilot")


def test_an_arm_may_write_an_item(tmp_path: Path) -> None:
    block = """\
templates:
  - id: said
    text: "The {job} said that"
    arms:
      - {id: female-job, group: female, slots: {job: "{job.1}"}}
      - {id: male-job, group: male, slots: {job: "{job.2}"}}
    pick: {items: mixed}
    mentions: {occupation: "{job}"}
    completions: {" she": {tied_to: female-job}, " he": {tied_to: male-job}}
"""
    pair = expanded(tmp_path, HEAD + ITEMS + block)[0]
    assert (pair.a.text, pair.b.text) == ("The nurse said that", "The pilot said that")
    assert pair.contrast == ("female-job", "male-job")
    assert (cut(pair.a), cut(pair.b)) == ({"occupation": "nurse"}, {"occupation": "pilot"})
    assert pair.a.swap == (pair.a.mentions["occupation"],)
    assert pair.completions == (" she", " he")
    assert pair.directed


def test_same_group_controls_take_the_templates_without_a_direction(tmp_path: Path) -> None:
    text = WHOLE.replace("items:\n", "items:\n  women: [[nurse, teacher]]\n")
    *_, first, second = expanded(tmp_path, text + "controls: [{id: same, items: women}]\n")
    assert (first.kind, first.control, first.directed) == ("control", "same", False)
    assert first.cluster == "met"
    assert first.pair_id == "same.met.nurse-teacher.o0.she-he"
    assert cut(first.a)["candidate_1"] == cut(second.a)["candidate_1"] == "nurse"
    assert second.a.text == "The teacher met the nurse. She said that the"
    assert first.completions == (" teacher", " nurse")


def test_neutral_swaps_fill_the_slot_that_is_left(tmp_path: Path) -> None:
    control = """\
controls:
  - {id: weekday, items: mixed, template: "On {day} the {job.1} met the {job.2}", arms: [Monday, New Year]}
"""
    *_, pair = expanded(tmp_path, WHOLE + control)
    assert (pair.a.text, pair.b.text) == (
        "On Monday the teacher met the farmer",
        "On New Year the teacher met the farmer",
    )
    assert (pair.a.group, pair.directed, pair.a.swap, pair.b.swap) == (
        "neutral",
        False,
        ((3, 9),),
        ((3, 11),),
    )
    assert pair.pair_id == "weekday.t1.teacher-farmer.o0.Monday-New-Year"


def test_a_pair_that_is_written_out(tmp_path: Path) -> None:
    (pair,) = expanded(tmp_path, HEAD + ARMS + SEED)
    assert pair.pair_id == "seed"
    assert cut(pair.a) == {"pronoun": "She", "candidate_1": "Nurse", "candidate_2": "Doctor"}
    assert pair.b.swap == (pair.b.mentions["pronoun"],)
    assert (pair.item, pair.cluster, pair.line, pair.directed) == ("doctor-nurse", "seed", 9, True)
    assert pair.completions is None


def test_a_pair_of_a_public_set_has_its_own_axis_rows_and_referents(tmp_path: Path) -> None:
    more = "    axis: age\n    source_row: {she: 3, he: 4}\n    gold: Nurse\n    attributes: {share: 40.5}\n"
    (pair,) = expanded(tmp_path, HEAD + ARMS + SEED + more)
    assert (pair.axis, pair.source_row, pair.a.source_row, pair.b.source_row) == ("age", 3, 3, 4)
    assert (pair.referents, pair.gold, pair.attributes) == (("Doctor", "Nurse"), "Nurse", {"share": 40.5})


def test_an_arm_that_says_the_stereotype_gives_its_pairs_a_direction(tmp_path: Path) -> None:
    arms = ARMS.replace("group: female,", "group: female, stereotypical: true,")
    plain = "pairs:\n  - {id: p, she: She left., he: He left.}\n"
    assert expanded(tmp_path, HEAD + arms + plain)[0].directed
    assert not expanded(tmp_path, HEAD + ARMS + plain)[0].directed
    control = "pairs:\n  - {id: p, she: She left., he: He left., control: c}\n"
    assert not expanded(tmp_path, HEAD + arms + control)[0].directed


def test_a_control_that_is_written_out_has_no_direction(tmp_path: Path) -> None:
    ties = "    completions: {' ran': {tied_to: she}, ' sat': {tied_to: he}}\n"
    (treatment,) = expanded(tmp_path, HEAD + ARMS + SEED + ties)
    (control,) = expanded(tmp_path, HEAD + ARMS + SEED + ties + "    control: seeds\n")
    assert (treatment.directed, control.directed) == (True, False)
    assert treatment.completions == control.completions == (" ran", " sat")
    assert (control.kind, control.control) == ("control", "seeds")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD
            + ARMS
            + SEED.replace("[Doctor, Nurse]", "[Doctor, Nurce]").replace("she: Nurse", "she: Nurce"),
            "jobs.yaml:12: pairs[0].mentions.candidates: the mention 'Nurce' is not in the text (got "
            "'The Doctor "
            "asked the Nurse a question. She'); expected it exactly once; did you mean 'Nurse'?",
        ),
        (
            HEAD + ARMS + SEED.replace("a question. S", "a Nurse. S"),
            "jobs.yaml:12: pairs[0].mentions.candidates: the mention 'Nurse' is in the text 2 times "
            "(got 'The Doctor "
            "asked the Nurse a Nurse. She'); expected it exactly once",
        ),
        (
            HEAD + ARMS + SEED.replace("question. He", "question. She").replace("[She, He]", "She"),
            "jobs.yaml:10: pairs[0].she: arms 'she' and 'he' write the same text (got 'The Doctor asked "
            "the Nurse a "
            "question. She'); expected two texts that differ",
        ),
        (
            WHOLE.replace("{Pronoun} said", "{Pronoum} said").replace('pronoun: "{Pronoun}", ', ""),
            "jobs.yaml:14: templates[0].text: slot {Pronoum} has no value; expected a value in arm "
            "'she' or an item, "
            "or one of Pronoun, job.1, job.2 or pronoun; did you mean 'Pronoun'?",
        ),
        (
            WHOLE.replace("{items: mixed,", "{items: mixed, design: latin_square, per_template: 3,"),
            "jobs.yaml:15: templates[0].pick: per_template is more than there are items (got 3); "
            "expected at most 2",
        ),
        (
            WHOLE.replace("[teacher, farmer]", "[nurse, pilot]").replace(", both_orders: true", ""),
            "jobs.yaml:13: 2 pairs have the same id (got 'met.nurse-pilot.o0.she-he'); expected ids "
            "that differ",
        ),
        (
            WHOLE.replace('pronoun: "{Pronoun}"', 'pronoun: "{pronoun}"'),
            "jobs.yaml:16: templates[0].mentions.pronoun: the mention '{pronoun}' is not in the text "
            "(got 'The nurse "
            "met the pilot. She said that the'); expected it exactly once; did you mean 'She'?",
        ),
        (
            HEAD + ARMS + SEED.replace("[She, He]", "[She, He, They]"),
            "jobs.yaml:12: pairs[0].mentions.pronoun: 3 words for 2 arms; "
            "expected one for each arm, or one for all",
        ),
        (
            WHOLE + 'controls: [{id: day, template: "On {day} at {time}", arms: [Monday, Tuesday]}]\n',
            "jobs.yaml:21: controls[0].template: arm 'Monday' fills one slot, but the text has 2 "
            "(got 'On {day} at {time}'); expected one slot that nothing else fills\n"
            "jobs.yaml:21: controls[0].template: slot {day} has no value; "
            "expected a value in arm 'Monday' or an item\n"
            "jobs.yaml:21: controls[0].template: slot {time} has no value; "
            "expected a value in arm 'Monday' or an item",
        ),
        (
            WHOLE.replace("[teacher, farmer]", "[teacher, farmer, pilot]"),
            "jobs.yaml:15: templates[0].pick: 'both_orders' needs items of two members; "
            "expected items such as [nurse, pilot]",
        ),
        (
            WHOLE.replace('" {job.2}": {', '" {job.3}": {'),
            'jobs.yaml:19: templates[0].completions[" {job.3}"]: slot {job.3} has no value; '
            "expected job.1 or job.2; did you mean 'job.2'?",
        ),
        (
            WHOLE.replace("candidates: [", 'other: {thing: "{thing}"}, candidates: ['),
            "jobs.yaml:16: templates[0].mentions.other.thing: the mention cannot be read (got '{thing}'); "
            "expected words and slots of the text",
        ),
    ],
)
def test_what_cannot_be_expanded_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        expanded(tmp_path, text)
    assert told(caught.value, tmp_path) == message


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
def test_the_latin_square_is_balanced(templates: int, items: int, per_template: int) -> None:
    per_template = min(per_template, items)
    rows = [latin_square(template, items, per_template) for template in range(templates)]
    assert all(len(set(row)) == per_template for row in rows)
    counts = Counter(item for row in rows for item in row)
    assert max(counts.values()) - min(counts[item] for item in range(items)) <= 1


def test_the_latin_square_does_not_repeat_its_sets() -> None:
    rows = [latin_square(template, 20, 6) for template in range(20)]
    assert len(set(rows)) == 20


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [
        ("There is her hat.", "her", 1),
        ("Hers, not her's", "her", 1),
        ("the other, her", "her", 1),
        ("Die Ärztin fragt die Arzt", "Arzt", 1),
        ("Zoë met Zoe\u0308 and Zoe", "Zoe", 1),
        ("她说她累了", "她", 2),
        ("the nurse's nurse", "nurse", 2),
        ("a (nurse) b", "(nurse)", 1),
    ],
)
def test_whole_words(text: str, words: str, count: int) -> None:
    assert len(whole_words(text, words)) == count


words = st.lists(st.sampled_from(["she", "he", "the", "a", "nurse", ".", "Zoë"]), max_size=7).map(" ".join)


@given(words, words)
def test_what_differs_is_all_that_differs(text_a: str, text_b: str) -> None:
    spans_a, spans_b = differing_spans(text_a, text_b)
    assert len(spans_a) == len(spans_b)
    assert bool(spans_a) == (text_a != text_b)
    for text, spans in ((text_a, spans_a), (text_b, spans_b)):
        assert all(0 <= start <= end <= len(text) for start, end in spans)
        assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert _without(text_a, spans_a) == _without(text_b, spans_b)


def _without(text: str, spans: tuple[tuple[int, int], ...]) -> list[str]:
    for start, end in reversed(spans):
        text = text[:start] + " ~ " + text[end:]
    return text.split()


def test_ids_can_stand_in_a_url() -> None:
    assert [slug(words) for words in ("New Year", "Zoë", "a/b?c")] == ["New-Year", "Zoe", "a-b-c"]
    assert slug("她") != slug("他")
    assert slug("她").isalnum()
