"""The page of a comparison in a real browser: both themes, narrow, without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.comparison_html import HtmlComparison
from tests.reports.sample_comparison import nothing_changed, sample_comparison
from tests.reports.test_html_browser import CONTRAST, CUT

SAMPLES = {"changed": sample_comparison(), "unchanged": nothing_changed()}


@pytest.mark.parametrize("sample", SAMPLES)
def test_it_can_be_read_everywhere(browser: Any, tmp_path: Path, sample: str) -> None:
    (file,) = HtmlComparison().render(tmp_path, SAMPLES[sample])
    troubles: list[str] = []
    for scheme in ("light", "dark"):
        context = browser.new_context(java_script_enabled=False, color_scheme=scheme)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else troubles.append(r.url))
        page.goto(file.as_uri())
        ratio, element = page.evaluate(CONTRAST)
        assert ratio >= 4.5, element
        for width in (320, 600, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width < 700:
                assert page.evaluate(CUT) == []
        context.close()
    assert troubles == []
