"""From the table of embeddings to findings, without a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from audit.config import RunConfig
from audit.embedding_findings import embedding_findings, embedding_table
from audit.records import EmbeddingRecord

CONFIG = RunConfig(seed=3)
COLUMNS = [
    *("suite", "axis", "kind", "id", "layer", "contrast_a", "contrast_b", "attribute_a", "attribute_b"),
    *("word", "set", "value", "against", "known"),
]
X, Y = [0.4, 0.1, 0.3, 0.5], [0.0, -0.2, 0.2, -0.1]


def associated(values: list[float], subject: str = "family-career", layer: str = "input") -> EmbeddingRecord:
    words = tuple(f"w{number}" for number in range(len(values)))
    sets = tuple("family" if number < len(values) / 2 else "career" for number in range(len(values)))
    return EmbeddingRecord(
        *("words", "gender", "association", subject, layer, ("family", "career"), ("female", "male")),
        words,
        sets,
        np.array(values),
    )


def projected(values: npt.NDArray[np.float64], known: npt.NDArray[np.float64]) -> EmbeddingRecord:
    words = tuple(f"job{number}" for number in range(len(values)))
    return EmbeddingRecord(
        *("words", "gender", "projection", "jobs", "last", ("she", "he"), None),
        words,
        ("job",) * len(words),
        values,
        "female_share",
        known,
    )


def test_an_association_becomes_an_effect_size() -> None:
    table = embedding_table([associated(X + Y)])
    assert list(table.columns) == COLUMNS
    (found,) = embedding_findings(table, CONFIG)
    assert (found.measure, found.subject, found.layer) == ("weat_effect_size", "family-career", "input")
    assert (found.contrast, found.attributes, found.suite) == (
        ("family", "career"),
        ("female", "male"),
        "words",
    )
    assert found.estimate == pytest.approx((np.mean(X) - np.mean(Y)) / np.std(X + Y, ddof=1))
    theirs = stats.permutation_test(
        (X, Y),
        lambda a, b: np.mean(a) - np.mean(b),
        n_resamples=np.inf,
        alternative="greater",
        vectorized=False,
    )
    assert found.p == pytest.approx(2 * theirs.pvalue)  # sets of equal size: both tails are alike
    assert found.p_adjusted == found.p
    assert (found.n, found.ci_low, found.seed) == (8, None, None)
    assert found.method == (
        "WEAT d over 8 target words; two-sided permutation test, all 70 partitions; "
        f"one-sided as published p = {theirs.pvalue:.2g}"
    )
    assert found.reason == "a permutation test gives no interval"


def test_a_projection_becomes_a_correlation_with_an_interval_over_words() -> None:
    random = np.random.default_rng(0)
    known = random.uniform(0, 100, 30)
    values = known / 100 + random.normal(0, 0.3, 30)
    (found,) = embedding_findings(embedding_table([projected(values, known)]), CONFIG)
    assert found.measure == "projection_correlation"
    assert found.estimate == pytest.approx(float(stats.spearmanr(values, known).statistic))
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < found.estimate < found.ci_high
    assert (found.seed, found.n, found.attributes) == (3, 30, None)
    assert found.method == (
        "Spearman's rho with female_share over 30 words; the words are random, the direction is fixed: "
        "percentile bootstrap and random pairings, 9,999 each"
    )


def test_what_is_undefined_is_none_with_its_reason_and_counts_for_no_correction() -> None:
    records = [
        associated([0.2] * 8, "flat"),
        associated(X + Y),
        projected(np.ones(8), np.arange(8.0)),
        associated(Y + X, "other", "4"),
    ]
    flat, found, constant, other = embedding_findings(embedding_table(records), CONFIG)
    for none, reason in (
        (flat, "all words are associated alike"),
        (constant, "fewer than 5 words, or all of them alike on one side"),
    ):
        assert (none.estimate, none.p, none.p_adjusted, none.reason) == (None, None, None, reason)
        assert none.n == 8
    assert found.p is not None
    assert found.p_adjusted == pytest.approx(found.p)  # two tests with the same p
    assert found.estimate is not None
    assert (other.layer, other.estimate) == ("4", pytest.approx(-found.estimate))
