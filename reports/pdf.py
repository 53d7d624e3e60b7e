"""Pages on paper: HTML → PDF through WeasyPrint, without a browser and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.durable import write_whole
from audit.errors import InputError
from audit.results import Audit

_PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


class PdfReport:
    """Writes ``report.pdf``: what ``report.html`` holds, in print style."""

    name = "pdf"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the report as PDF into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        Raises:
            InputError: WeasyPrint is not there, or cannot be loaded.
            StoreError: a table or detail file of the run cannot be read.
        """
        load_weasyprint()
        from reports.folder import read_folder
        from reports.html import render_page

        return [write_pdf(folder / "report.pdf", render_page(read_folder(folder, audit)))]


def has_weasyprint() -> bool:
    """Whether WeasyPrint is there, with the libraries that it needs."""
    try:
        load_weasyprint()
    except InputError:
        return False
    return True


def write_pdf(file: Path, page: str) -> Path:
    """Write a page as PDF; nothing but what it holds itself is read.

    Raises:
        InputError: WeasyPrint is not there, or cannot be loaded.
    """
    weasyprint = load_weasyprint()
    alone = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    # Generated text can hold half of a surrogate pair, which UTF-8 cannot express.
    text = page.encode("utf-8", "replace").decode()
    content: bytes = weasyprint.HTML(string=text, url_fetcher=alone).write_pdf()
    write_whole(file, content)
    return file


def load_weasyprint() -> Any:
    """Load WeasyPrint.

    Raises:
        InputError: the package, or a library of the system that it needs, is missing; tells what to install.
    """
    try:
        import weasyprint
        import weasyprint.urls
    except ImportError as error:
        told = "PDF needs the package WeasyPrint: pip install 'evenhand[pdf]'"
        raise InputError.single(told, path="format pdf") from error
    except OSError as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        told = f"WeasyPrint cannot load the library that sets text ({first}); on Debian: apt-get install {_PACKAGES}"
        raise InputError.single(told, path="format pdf") from error
    return weasyprint
