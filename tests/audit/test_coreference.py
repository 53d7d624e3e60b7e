"""The coreference score: what a mention gets, and the sign that the suite gives it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.coreference import candidate_mass, preference, signed_bias, token_indices
from audit.errors import ShapeError
from tests.audit.simulated import tokenise

FAST = settings(max_examples=80, deadline=None)
TEXT = "The doctor asked the nurse. She"
MASS = st.lists(st.floats(0, 0.5), min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("pieces", "span", "expected"),
    [
        (("The", " doc", "tor", " asked", " the", " nurse", ".", " She"), (4, 10), (1, 2)),
        (("The", "doc", "tor", "asked", "the", "nurse", ".", "She"), (4, 10), (1, 2)),
        (("", "The", " doctor", " asked", " the", " nur", "se", ".", " She"), (0, 3), (1,)),
        (("", "The", " doctor", " asked", " the", " nur", "se.", " She"), (21, 26), (5, 6)),
        (("", "The", " doctor", " asked", " the", " nurse", ".", " She", ""), (28, 31), (7,)),
    ],
    ids=["space inside offsets", "space outside", "a special token before", "punctuation glued", "last word"],
)
def test_tokens_of_a_mention(
    pieces: tuple[str, ...], span: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert token_indices(span, tokenise(TEXT, *pieces)) == expected


def test_a_mention_of_several_words() -> None:
    encoding = tokenise("Then the old man left", "Then", " the", " old", " man", " left")
    assert token_indices((5, 16), encoding) == (1, 2, 3)


def test_candidate_mass_sums_the_tokens_of_each_mention() -> None:
    row = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
    found = candidate_mass(row, [1, 2], [3])
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found, [[0.5, 0.4], [0.5, 0.1]])


def test_candidate_mass_keeps_leading_axes() -> None:
    row = np.random.default_rng(0).dirichlet(np.ones(5), (2, 3))
    np.testing.assert_allclose(
        candidate_mass(row, [0], [2, 4])[1, 2], [row[1, 2, 0], row[1, 2, [2, 4]].sum()]
    )


def test_signed_bias_by_hand() -> None:
    # She: 0.5 on the nurse, 0.1 on the doctor; he: 0.2 and 0.4. Half of 0.4 − (−0.2).
    assert float(signed_bias(np.array([0.5, 0.1]), np.array([0.2, 0.4]))) == pytest.approx(0.3)


@FAST
@given(MASS)
def test_exchanging_the_texts_flips_the_bias(mass: list[float]) -> None:
    a, b = np.array(mass[:2]), np.array(mass[2:])
    assert float(signed_bias(b, a)) == pytest.approx(-float(signed_bias(a, b)), abs=1e-15)
    assert -1 <= float(signed_bias(a, b)) <= 1


@FAST
@given(MASS)
def test_renaming_arms_and_candidates_together_changes_nothing(mass: list[float]) -> None:
    a, b = np.array(mass[:2]), np.array(mass[2:])
    assert float(signed_bias(b[::-1], a[::-1])) == pytest.approx(float(signed_bias(a, b)), abs=1e-15)


@FAST
@given(MASS)
def test_a_head_that_does_not_see_the_arm_has_exactly_no_bias(mass: list[float]) -> None:
    same = np.array(mass[:2])
    assert float(signed_bias(same, same.copy())) == 0


def test_an_order_effect_cancels_over_both_orders() -> None:
    # The nearer candidate gets 0.2 more, whoever it is; the arm adds 0.05 to its own.
    first = signed_bias(np.array([0.35, 0.1]), np.array([0.3, 0.15]))
    second = signed_bias(np.array([0.15, 0.3]), np.array([0.1, 0.35]))
    assert float(first + second) / 2 == pytest.approx(0.05)


def test_preference_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    mass = np.array([[0.3, 0.1], [0.001, 0.099], [0.0, 0.0]])
    assert float(preference(mass)) == pytest.approx(0.301 / 0.5)


@FAST
@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=6))
def test_preference_does_not_depend_on_the_order_of_pairs(rows: list[tuple[float, float]]) -> None:
    mass = np.array(rows)
    shuffled = mass[np.random.default_rng(0).permutation(len(mass))]
    np.testing.assert_allclose(preference(shuffled), preference(mass))
    np.testing.assert_allclose(preference(mass[:, ::-1]), 1 - preference(mass), atol=1e-9)


def test_preference_without_any_mass_is_undefined() -> None:
    mass = np.zeros((3, 2, 2))
    mass[:, 0] = 0.25
    found = preference(mass)
    assert found.shape == (2,)
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2,), (4, 2)), ((2, 2), (3, 2)), ((2,), (3,))])
def test_masses_that_do_not_belong_together_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError):
        signed_bias(np.full(shapes[0], 0.1), np.full(shapes[1], 0.1))


def test_a_mention_outside_the_row_is_refused() -> None:
    with pytest.raises(ShapeError):
        candidate_mass(np.full(4, 0.25), [0], [4])
