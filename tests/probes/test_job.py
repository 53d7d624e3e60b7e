"""How work is cut into passes, and put together again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.errors import MeasurementError
from probes.job import Job, Spot, finite, joined, only_rounding, portions
from probes.questions import Input, Question


def job(name: str, arms: int = 2) -> Job:
    asked = Question((Input((1, 2, 3)),), ((0, 2, 5),), ((0, 2, 6),))
    return Job(name, (asked,) * arms, 1, Spot("self", (1,)), Spot("self", (2,)))


JOBS = [job(str(number)) for number in range(5)]


@pytest.mark.parametrize(
    ("interventions", "texts", "expected"),
    [
        (3, 24, [("012", [range(3)]), ("34", [range(3)])]),  # 2 arms × 4 copies × 3 jobs
        (3, 1000, [("01234", [range(3)])]),
        (5, 6, [(n, [range(2), range(2, 4), range(4, 5)]) for n in "01234"]),  # 2 arms × 3 copies of one job
        (2, 1, [(n, [range(1), range(1, 2)]) for n in "01234"]),  # a pass holds one edit at least
        (0, 4, [("01", [range(0)]), ("23", [range(0)]), ("4", [range(0)])]),
    ],
)
def test_no_pass_holds_more_texts_than_fit(
    interventions: int, texts: int, expected: list[tuple[str, list[range]]]
) -> None:
    found = [("".join(each.name for each in some), cut) for some, cut in portions(JOBS, interventions, texts)]
    assert found == expected


def test_runs_are_joined_on_the_first_ones_unedited_texts() -> None:
    """The second run's unedited texts lie 0.5 off by rounding: that is no effect of its edits."""
    first = np.array([[[1.0], [2.0]], [[4.0], [2.0]]])
    second = np.array([[[1.5], [2.5]], [[1.5], [3.5]], [[2.5], [2.5]]])
    found = joined([([2], first), ([1, 0], second)])
    assert found[:, :, 0].tolist() == [[1.0, 2.0], [2.0, 2.0], [1.0, 3.0], [4.0, 2.0]]


def test_rounding_depends_on_the_precision() -> None:
    assert only_rounding(9e-4, torch.float32)
    assert not only_rounding(2e-3, torch.float32)
    assert only_rounding(0.4, torch.bfloat16)
    assert not only_rounding(0.6, torch.bfloat16)
    assert not only_rounding(float("nan"), torch.float32)


def test_numbers_that_are_none_name_the_pair() -> None:
    assert finite(JOBS, np.zeros(2)).tolist() == [0, 0]
    with pytest.raises(MeasurementError, match="0: NaN or infinite logits under intervention"):
        finite(JOBS, np.array([0.0, np.inf]))


def test_jobs_of_other_questions_have_another_shape() -> None:
    assert job("p").shape == job("q").shape
    assert job("p").shape != job("p", arms=1).shape
