"""Words read from tiny models: vectors against torch by hand, and the records that suites ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.association import association, project
from audit.config import RunConfig
from audit.errors import MeasurementError, ModelError
from audit.records import EmbeddingRecord
from audit.suite import Suite
from probes.embedding import EmbeddingProbe
from probes.model import LoadedModel
from probes.word_vectors import word_vectors
from tests.audit.suite_text import loaded
from tests.probes import tiny
from tests.probes.test_patterns import encoder
from tests.tiny_embedding_suite import EMBEDDING_SUITE
from tests.tiny_model import tokenizer

CONFIG = RunConfig()
SENTENCES = ("The {word} said that", "She asked the {word} a question.")


def words_model() -> LoadedModel:
    """A tiny Llama with the words of the tiny suite."""
    model = tiny.decoder()
    return LoadedModel("tiny-words", model.net, tokenizer(), "decoder", {})


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return loaded(tmp_path, EMBEDDING_SUITE).suite


def measured(model: LoadedModel, suite: Suite) -> list[EmbeddingRecord]:
    return list(EmbeddingProbe().survey(model, (suite,), CONFIG))


@pytest.mark.parametrize("make", [tiny.decoder, encoder], ids=["decoder", "encoder"])
def test_hidden_states_are_those_of_the_model_run_alone(make: Callable[[], LoadedModel]) -> None:
    """*hairdresser* has two tokens; the other words one. No padding, one text at a time, stock attention."""
    model = make()
    found = word_vectors(model, ["nurse", "hairdresser"], ["input", 0, 2, "last"], SENTENCES)
    model.net.set_attn_implementation("sdpa")
    for index, word in enumerate(("nurse", "hairdresser")):
        pieces = [tiny.VOCABULARY[p] for p in ({"nurse": ["nurse"]}.get(word) or ["hair", "##dresser"])]
        table = model.net.get_input_embeddings().weight.detach().double().numpy()
        assert found["input"][index] == pytest.approx(table[pieces].mean(axis=0), abs=1e-6)
        states = []
        for sentence in SENTENCES:
            ids = list(model.encode(sentence.format(word=word)).ids)
            start = ids.index(pieces[0])
            with torch.no_grad():
                hidden = model.net.base_model(torch.tensor([ids]), output_hidden_states=True).hidden_states
            states.append(
                [layer[0, start : start + len(pieces)].double().mean(0).numpy() for layer in hidden]
            )
        for layer, place in ((0, 1), (2, 3), ("last", 3)):
            expected = np.mean([state[place] for state in states], axis=0)
            assert found[layer][index] == pytest.approx(expected, abs=1e-4)


def test_records_hold_what_the_suite_asks_for(suite: Suite) -> None:
    model = words_model()
    records = measured(model, suite)
    assert [(r.kind, r.subject, r.layer) for r in records] == [
        *(("association", "jobs-doings", layer) for layer in ("input", "1", "last")),
        *(("projection", "jobs", layer) for layer in ("input", "last")),
    ]
    first, last = records[0], records[-1]
    assert (first.contrast, first.attributes) == (("jobs", "doings"), ("female", "male"))
    assert first.words[:2] == ("nurse", "secretary")
    assert first.sets == ("jobs",) * 4 + ("doings",) * 4
    table = model.net.get_input_embeddings().weight.detach().double().numpy()
    numbers = {
        word: model.tokenizer.convert_tokens_to_ids(word)
        for word in (*first.words, *["She", "she", "He", "he"])
    }
    rows = {word: table[number] for word, number in numbers.items()}
    female, male = (np.stack([rows[word] for word in pair]) for pair in (("She", "she"), ("He", "he")))
    own = np.stack([rows[word] for word in first.words])
    assert first.values == pytest.approx(association(own, female, male), abs=1e-6)
    assert (last.contrast, last.attributes, last.against) == (("she", "he"), None, "female_share")
    assert last.known is not None
    assert last.known.tolist() == [88, 92, 82, 40, 15, 9]
    vectors = word_vectors(
        model, [*last.words, "she", "he", "She", "He"], ["last"], ["{word} met the doctor"]
    )
    pairs = vectors["last"][6:].reshape(2, 2, -1)
    assert last.values == pytest.approx(project(vectors["last"][:6], pairs))


def test_a_suite_that_asks_for_nothing_costs_nothing(suite: Suite) -> None:
    model = words_model()

    def refuse(*_: object) -> None:
        raise AssertionError("the network was run")

    model.net.register_forward_pre_hook(refuse)
    model.net.base_model.register_forward_pre_hook(refuse)
    assert measured(model, suite.model_copy(update={"associations": (), "projections": ()})) == []


def test_a_layer_that_is_not_there_is_refused_before_anything_is_read(suite: Suite) -> None:
    late = suite.projections[0].model_copy(update={"layers": ("input", 3)})
    with pytest.raises(ModelError) as caught:
        next(
            EmbeddingProbe().survey(
                words_model(), (suite.model_copy(update={"projections": (late,)}),), CONFIG
            )
        )
    assert str(caught.value) == "tiny-words: there is no layer 3 to read words from; expected 0 to 2"


def test_words_without_a_vector_are_told() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.get_input_embeddings().weight[tiny.VOCABULARY["nurse"]] = float("nan")
    with pytest.raises(
        MeasurementError, match=r"^tiny-llama: the vector of 'nurse' at the layer input is NaN$"
    ):
        word_vectors(model, ["doctor", "nurse"], ["input"], ["The {word}"])
    model.max_length = 3
    with pytest.raises(
        MeasurementError, match=r"^tiny-llama: 'The plumber met' does not fit into the context"
    ):
        word_vectors(model, ["plumber"], ["last"], ["The {word} met"])
    with pytest.raises(
        MeasurementError, match=r"the tokenizer makes no token of '\\u200b' in 'The \\u200b'$"
    ):
        word_vectors(silent(model), ["\u200b"], ["last"], ["The {word}"])


def silent(model: LoadedModel) -> LoadedModel:
    """The same model with a tokenizer that drops zero-width spaces."""
    from tokenizers import normalizers

    reader = tiny.tokenizer()
    reader.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    return LoadedModel("tiny-llama", model.net, reader, "decoder", {})
