"""A suite is written so that the loader reads the same suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import StoreError
from audit.importers.suite_text import write_suite
from audit.loader import load_suite
from audit.suite import Arm, Suite, WrittenPair
from tests.folders import listing

TEXTS = st.one_of(
    st.text(min_size=1).filter(lambda text: text.encode("utf-8", "ignore").decode() == text),
    st.sampled_from(
        ["no", "1e5", "2026-11-01", "~", "<<", "- a: b", "a # b", "\ufeff", "\x7f\x85\u2028", "{x}"]
    ),
)


def suite(*texts: tuple[str, str]) -> Suite:
    pairs = [
        WrittenPair.model_validate({"id": f"p{n}", "more": more, "less": less, "attributes": {"word": more}})
        for n, (more, less) in enumerate(texts)
    ]
    arms = (Arm(id="more", group="m", stereotypical=True), Arm(id="less", group="l"))
    return Suite(suite="s", version=1, axis="all", task="sentence", arms=arms, pairs=tuple(pairs))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_every_text_comes_back(tmp_path: Path, texts: list[tuple[str, str]]) -> None:
    made = suite(*texts)
    write_suite(made, tmp_path / "s.yaml")
    assert load_suite(tmp_path / "s.yaml").suite == made


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").mkdir()
    (tmp_path / "s.yaml" / "other").write_text("x", encoding="utf-8")
    before = listing(tmp_path)
    with pytest.raises(StoreError) as caught:
        write_suite(suite(("a", "b")), tmp_path / "s.yaml")
    assert str(caught.value) == f"{tmp_path}/s.yaml: cannot be written (Is a directory)"
    assert listing(tmp_path) == before
