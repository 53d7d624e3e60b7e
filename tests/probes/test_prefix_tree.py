"""Prefix trees hold every sequence whole, share what is shared, and are read as each sequence alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from probes import forest as forest_module
from probes import prefix_tree as prefix_tree_module
from probes import scoring
from probes.continuation import Continuation
from probes.forward import forward
from probes.model import LoadedModel
from probes.prefix_tree import Row, prefix_tree
from probes.scoring import foresee, log_likelihoods
from probes.tree_pass import read_rows, takes_trees
from tests.probes import tiny

SEQUENCES = st.lists(st.lists(st.integers(3, 6), min_size=1, max_size=9).map(tuple), min_size=1, max_size=20)


@given(SEQUENCES, st.integers(1, 30))
def test_every_sequence_lies_on_a_path_of_one_row(sequences: list[tuple[int, ...]], width: int) -> None:
    tree = prefix_tree(sequences, width)
    assert set(tree.paths) == set(sequences)
    for sequence, (number, path) in tree.paths.items():
        row = tree.rows[number]
        assert tuple(row.ids[node] for node in path) == sequence
        assert [row.depths[node] for node in path] == list(range(len(sequence)))
        assert [row.parents[node] for node in path] == [-1, *path[:-1]]
        assert set(np.flatnonzero(row.ancestors()[path[-1]])) == set(path)
    for row in tree.rows:
        assert len(row.ids) <= max(width, 2 * max(map(len, sequences)))


@given(SEQUENCES)
def test_a_prefix_is_there_once(sequences: list[tuple[int, ...]]) -> None:
    (row,) = prefix_tree(sequences, 1000).rows
    assert len(row.ids) == len({each[:end] for each in sequences for end in range(1, len(each) + 1)})


@pytest.mark.parametrize("model", [tiny.decoder(), tiny.decoder("gpt2")], ids=["llama", "gpt2"])
def test_rows_are_read_as_each_sequence_alone(model: LoadedModel) -> None:
    sequences = [(3, 4, 5, 6, 7), (3, 4, 5, 8), (3, 4, 9), (10, 4, 5), (3,)]
    tree = prefix_tree(sequences, 6)
    states = read_rows(model.net, tree.rows)
    assert takes_trees(model, 5)
    for sequence in sequences:
        row, path = tree.paths[sequence]
        alone = forward(model.net.base_model, torch.tensor([sequence]), None)[0][0]
        torch.testing.assert_close(states[row, list(path)], alone, rtol=0, atol=1e-5)


def test_a_window_shorter_than_the_text_takes_no_trees() -> None:
    model = tiny.decoder()
    assert takes_trees(model, 12)
    model.net.config.sliding_window = 8
    try:
        assert (takes_trees(model, 8), takes_trees(model, 9)) == (True, False)
    finally:
        del model.net.config.sliding_window


@st.composite
def continuations(draw: st.DrawFn) -> list[Continuation]:
    tokens = st.lists(st.integers(3, 9), min_size=1, max_size=6).map(tuple)
    return [Continuation(draw(tokens), draw(tokens)) for _ in range(draw(st.integers(1, 12)))]


@settings(max_examples=20, deadline=None)
@given(continuations(), st.integers(0, 5))
def test_scores_are_those_of_one_pass_each(wanted: list[Continuation], skipped: int) -> None:
    model = tiny.decoder()
    foresee(model, wanted[skipped:])
    found = log_likelihoods(model, wanted)
    for one, value in zip(wanted, found, strict=True):
        logits = model.net(input_ids=torch.tensor([one.read])).logits[0].log_softmax(-1)
        assert value == pytest.approx(sum(float(logits[at, token]) for at, token in one.targets), abs=1e-4)
    foresee(model, [])


def test_what_is_asked_first_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_tree_module, "_NODES", 16)
    model, random = tiny.decoder(), np.random.default_rng(0)
    wanted = [Continuation((3,), tuple(random.integers(3, 20, 6).tolist())) for _ in range(40)]
    foresee(model, wanted)
    forward_order = log_likelihoods(model, wanted)
    foresee(model, wanted)
    backward = [log_likelihoods(model, [one])[0] for one in reversed(wanted)]
    assert forward_order == backward[::-1]
    foresee(model, [])


def test_a_pass_that_was_made_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, passes = tiny.decoder(), []
    right = forest_module.read_rows
    monkeypatch.setattr(forest_module, "read_rows", lambda *given: passes.append(given) or right(*given))
    wanted = [Continuation((3, 4), (5,)), Continuation((3, 4), (6,)), Continuation((3, 4), (5, 6))]
    foresee(model, wanted)
    first = log_likelihoods(model, wanted)
    made = len(passes)
    assert log_likelihoods(model, wanted[::-1]) == first[::-1]
    assert len(passes) == made == 2  # the first tokens in float64, and the tree
    foresee(model, [])


def test_a_family_that_takes_no_trees_is_read_sequence_by_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.decoder()
    wanted = [Continuation((3, 4), (5, 6)), Continuation((3, 4), (6,))]
    trees = log_likelihoods(model, wanted)
    monkeypatch.setattr(scoring, "takes_trees", lambda *_: False)
    assert log_likelihoods(model, wanted) == pytest.approx(trees, abs=1e-5)


def test_the_first_two_predictions_of_a_text_are_made_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    model, passes, inside = tiny.decoder(), [], [False]
    right = forest_module.read_rows

    @contextmanager
    def widened(_net: object) -> Iterator[None]:
        inside[0] = True
        yield
        inside[0] = False

    def noted(net: PreTrainedModel, rows: Sequence[Row]) -> torch.Tensor:
        passes.append((inside[0], [row.ids for row in rows]))
        return right(net, rows)

    monkeypatch.setattr(forest_module, "wider_blocks", widened)
    monkeypatch.setattr(forest_module, "read_rows", noted)
    log_likelihoods(model, [Continuation((3,), (4, 5, 6)), Continuation((3,), (4, 7))])
    assert sorted(passes) == [(False, [(3, 4, 5)]), (True, [(3, 4)])]
