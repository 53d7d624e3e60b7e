"""The code of the page: vendored as published, named by hash, and nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import re

from plotly.offline import get_plotlyjs_version

from reports.page_code import HERE, MAPLIBRE_STYLE, PLOTLY, SCRIPTS, page_code


def test_the_vendored_plotly_is_of_the_version_that_makes_the_figures() -> None:
    head = PLOTLY.read_text(encoding="utf-8")[:200]
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}" in head
    assert "MIT License" in (PLOTLY.parent / "plotly-cartesian.LICENSE").read_text(encoding="utf-8")


def test_plotly_still_has_the_doors_that_keep_its_styles_out() -> None:
    """Where an element says so, it adds no style of its own, and maplibre's is thought to be there."""
    code = PLOTLY.read_text(encoding="utf-8")
    assert '"plotly.js-style-"' in code
    assert ".no-inline-styles" in code
    assert code.count('createElement("style")') == 2
    assert f'document.getElementById("{MAPLIBRE_STYLE}")' in code


def test_the_policy_names_each_piece_by_its_hash() -> None:
    code = page_code("body {}", charts=True)
    for piece in (code.style, code.script, code.plotly):
        assert base64.b64encode(hashlib.sha256(str(piece).encode()).digest()).decode() in code.policy
    assert "unsafe" not in code.policy
    assert "</script" not in code.script + code.plotly


def test_a_page_without_charts_has_no_plotly() -> None:
    code = page_code("", charts=False)
    assert code.plotly == ""
    assert code.policy.count("sha256-") == 2


def test_every_script_is_part_of_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in (HERE / "templates" / "js").glob("*.js"))


def test_scripts_never_write_markup() -> None:
    for path in (HERE / "templates" / "js").glob("*.js"):
        code = path.read_text(encoding="utf-8")
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", code), (
            path.name
        )
        assert len(code.splitlines()) <= 300
