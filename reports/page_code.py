"""The page's own code: style, scripts, the vendored Plotly, and the security policy that admits just these."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup

HERE: Final = Path(__file__).parent
PLOTLY: Final = HERE / "vendor" / "plotly-cartesian.min.js"
#: Joined into one script, in this order; the first makes what the others share.
SCRIPTS: Final = (
    "shared.js",
    "packed.js",
    "page.js",
    "charts.js",
    "head_map.js",
    "head_page.js",
    "pair_rows.js",
    "pair_open.js",
    "pairs.js",
    "attention_data.js",
    "attention_lines.js",
    "attention_matrix.js",
    "attention_grid.js",
    "attention_neurons.js",
    "attention_section.js",
    "anchors.js",
)
#: The bundle adds a style of maplibre, which draws no chart of ours, unless something has this id.
MAPLIBRE_STYLE: Final = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"


class PageCode(NamedTuple):
    """Everything that runs or styles in the page.

    Args:
        style, script, plotly: the code, as it stands in the page.
        policy: the content security policy.
    """

    style: Markup
    script: Markup
    plotly: Markup
    policy: Markup


def page_code(style: str, *, charts: bool) -> PageCode:
    """Gather the code and make the policy that admits it.

    Each piece is named by its hash, so nothing else runs, and no style but ours applies. Plotly would write
    style elements of its own; it leaves that alone where an element says ``no-inline-styles``, as ours does
    (css/charts.css has the few rules that it needs). It sets styles of single elements through the CSSOM, which
    no policy hinders, and paints heat maps into ``data:`` images.

    Args:
        style: the page's style sheet.
        charts: whether the page has charts; without any, Plotly is left out.
    """
    script = "\n".join((HERE / "templates" / "js" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    plotly = PLOTLY.read_text(encoding="utf-8") if charts else ""
    scripts = " ".join(map(_source, [script, plotly] if charts else [script]))
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {scripts}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return PageCode(Markup(style), Markup(script), Markup(plotly), Markup(policy))


def digest(code: str) -> str:
    """The hash by which a policy lets a piece of code, and nothing else, run."""
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def _source(code: str) -> str:
    return f"'sha256-{digest(code)}'"
