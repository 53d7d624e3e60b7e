"""Tests of embeddings on the page: what each row says, and what it does not."""

from __future__ import annotations

import pytest

from audit.results import Finding
from reports.embedding_rows import EmbeddingRow, embedding_groups


def association(**changes: object) -> Finding:
    found = {
        **{
            "suite": "words",
            "axis": "gender",
            "contrast": ("family", "career"),
            "measure": "weat_effect_size",
        },
        **{"subject": "fc", "layer": "input", "attributes": ("female", "male"), "estimate": 0.9, "n": 16},
        **{"p": 0.01, "p_adjusted": 0.02, **changes},
    }
    return Finding.model_validate(found)


def projection(**changes: object) -> Finding:
    own = {
        "measure": "projection_correlation",
        "contrast": ("she", "he"),
        "attributes": None,
        "subject": "jobs",
    }
    return association(**{**own, **changes})


def row(finding: Finding) -> EmbeddingRow:
    (group,) = embedding_groups([finding])
    (found,) = (*group.associations, *group.projections)
    return found


@pytest.mark.parametrize(
    ("finding", "sets", "meaning"),
    [
        (
            association(),
            "family against career, between female and male",
            "family is nearer to female than career is",
        ),
        (
            association(estimate=-0.9),
            "family against career, between female and male",
            "career is nearer to female than family is",
        ),
        (projection(), "along she – he", "words with a higher number lie nearer to she"),
        (projection(estimate=-0.5), "along she – he", "words with a higher number lie nearer to he"),
        (projection(p_adjusted=0.2), "along she – he", "not told apart from chance"),
        (
            association(p_adjusted=None),
            "family against career, between female and male",
            "not told apart from chance",
        ),
        (
            association(estimate=None, reason="all words are associated alike"),
            "family against career, between female and male",
            "not measured: all words are associated alike",
        ),
    ],
)
def test_a_row_says_what_was_found_in_words(finding: Finding, sets: str, meaning: str) -> None:
    found = row(finding)
    assert (found.sets, found.meaning) == (sets, meaning)


@pytest.mark.parametrize(
    ("layer", "name"), [("input", "input embeddings"), ("last", "last block"), ("6", "block 6")]
)
def test_layers_have_names(layer: str, name: str) -> None:
    assert row(association(layer=layer)).layer == name


def test_suites_are_apart_and_other_findings_are_left_out() -> None:
    plain = Finding(suite="words", axis="gender", contrast=("she", "he"), measure="total_effect")
    groups = embedding_groups([association(), plain, association(suite="more"), projection()])
    assert [(group.suite, len(group.associations), len(group.projections)) for group in groups] == [
        ("words", 1, 1),
        ("more", 1, 0),
    ]
    assert embedding_groups([plain]) == ()
