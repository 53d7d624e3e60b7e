"""Pairs laid into a chat template: the arm stays where it was, in the words of the user's turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.chat import in_chat
from audit.coreference import token_indices
from audit.errors import MeasurementError, ModelError
from audit.pairs import CANDIDATE_1, PRONOUN
from probes.model import LoadedModel
from probes.rows import plan_rows
from tests.probes import tiny

#: A system turn in front, and the model's turn behind.
TEMPLATE = (
    "{{ bos_token }}the engineer : {% for turn in messages %}{{ turn['role'] }} : {{ turn['content'] }} "
    "{% endfor %}{% if add_generation_prompt %}said :{% endif %}"
)


@pytest.fixture
def model() -> LoadedModel:
    found = tiny.decoder()
    found.tokenizer.chat_template = TEMPLATE
    return found


def test_spans_move_with_the_text(model: LoadedModel) -> None:
    pair = tiny.pair("nurse", "doctor")
    chat = in_chat(pair, model)
    assert chat.a.text == f"<s>the engineer : user : {pair.a.text} said :"
    for plain, laid in ((pair.a, chat.a), (pair.b, chat.b)):
        assert set(laid.mentions) == set(plain.mentions)
        for name, span in laid.mentions.items():
            assert laid.text[slice(*span)] == plain.text[slice(*plain.mentions[name])]
        assert [laid.text[slice(*span)] for span in laid.swap] == [plain.text[slice(*plain.swap[0])]]
    assert chat.completions == ("doctor", "nurse")
    assert in_chat(replace(pair, completions=None), model).completions is None


def test_the_arm_stays_aligned_inside_the_template(model: LoadedModel) -> None:
    plan = plan_rows(model, in_chat(tiny.pair("nurse", "doctor"), model))
    tokens = plan.a.encoding.tokens
    assert [tokens[at].strip() for at in plan.a.pronoun] == ["She"]
    assert [tokens[at].strip() for at in plan.a.first] == ["nurse"]
    assert tokens[plan.a.predicting or 0].strip() == ":"
    assert not plan.alignment.unaligned_a
    assert not plan.alignment.unaligned_b


def test_a_template_that_begins_with_bos_gets_no_second_one(model: LoadedModel) -> None:
    chat = in_chat(tiny.pair(), model)
    ids = model.encode(chat.a.text).ids
    assert ids[0] == model.bos
    assert ids.count(model.bos) == 1
    plain = tiny.pair()
    assert model.encode(plain.a.text).ids[:2] == (model.bos, model.tokenizer.vocab["The"])
    assert token_indices(plain.a.mentions[PRONOUN], model.encode(plain.a.text))
    assert token_indices(plain.a.mentions[CANDIDATE_1], model.encode(plain.a.text))


def test_a_model_without_a_template_says_so() -> None:
    with pytest.raises(ModelError) as told:
        in_chat(tiny.pair(), tiny.decoder())
    assert str(told.value) == (
        "tiny-llama: the tokenizer has no chat template; expected a suite with 'prompt: plain'"
    )


def test_a_template_that_changes_the_text_is_not_measured(model: LoadedModel) -> None:
    model.tokenizer.chat_template = "{{ messages[0]['content'] | upper }}"
    with pytest.raises(MeasurementError) as told:
        in_chat(tiny.pair(name="p7"), model)
    assert str(told.value) == "tiny: pair p7: the chat template does not hold the text as it is, once"


def test_a_broken_template_is_told(model: LoadedModel) -> None:
    model.tokenizer.chat_template = "{{ raise_exception('only system turns') }}"
    with pytest.raises(ModelError) as told:
        in_chat(tiny.pair(), model)
    assert str(told.value) == "tiny-llama: the chat template cannot be filled (only system turns)"
