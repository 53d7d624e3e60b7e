"""A comparison as one page that opens anywhere, asks no network and needs no script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from markupsafe import Markup

from audit.results.comparison import Comparison
from reports.comparison_rows import CHANGES, counts, head_row, headline, output_row, shown_heads
from reports.html import page_environment
from reports.page_code import digest

#: Rows of heads that the page shows; the command's JSON has all.
MOST_HEADS: Final = 200


class HtmlComparison:
    """Writes ``comparison.html``."""

    name = "html"

    def render(self, folder: Path, comparison: Comparison) -> list[Path]:
        """Write the page.

        Args:
            folder: where to.
            comparison: of two runs.
        Returns:
            The one file written.
        """
        path, part = folder / "comparison.html", folder / ".comparison.html.part"
        part.write_text(comparison_page(comparison), encoding="utf-8", errors="replace")
        os.replace(part, path)
        return [path]


def comparison_page(comparison: Comparison) -> str:
    """Render a comparison into one self-contained HTML document."""
    environment = page_environment()
    style = environment.get_template("report.css.j2").render()
    heads = shown_heads(comparison)
    return environment.get_template("comparison.html.j2").render(
        comparison=comparison,
        headline=headline(comparison),
        outputs=[output_row(one) for one in comparison.outputs],
        heads=[head_row(one) for one in heads[:MOST_HEADS]],
        left_out_heads=max(0, len(heads) - MOST_HEADS),
        output_counts=counts(comparison.outputs),
        head_counts=counts(comparison.heads),
        meanings=CHANGES,
        tone=_tone(comparison),
        style=Markup(style),
        style_hash=digest(style),
    )


def _tone(comparison: Comparison) -> str:
    """The colour of the page's head."""
    found = {one.change for one in (*comparison.outputs, *comparison.heads)}
    return "fail" if "worse" in found else "inconclusive" if "shifted" in found else "pass"
