"""The evidence pack: self-contained, with its gaps, and never more than evidence."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.cli import main
from audit.errors import InputError
from audit.results import Audit
from audit.results.visible import visible
from audit.store import write_audit
from reports.compliance import ComplianceReport, pack_of, render_pack
from reports.pdf import PdfReport, load_weasyprint, write_pdf
from reports.requirements import PARTS, gaps_of, read_mapping, rows_of
from tests import needs
from tests.reports.sample_audit import empty_audit
from tests.reports.test_evidence_formats import CASES, write_case
from tests.reports.test_html import Reader


def page_of(folder: Path, case: str) -> tuple[str, Audit]:
    audit = write_case(folder, case)
    return render_pack(pack_of(folder, audit)), audit


@pytest.mark.parametrize("case", CASES)
def test_the_pack_stands_alone_and_is_well_formed(tmp_path: Path, case: str) -> None:
    page, audit = page_of(tmp_path / "run", case)
    reader = Reader(page)
    assert reader.open == []
    assert audit.verdict.value in reader.text
    assert visible(page) == page
    page.encode()
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.tags:
        assert tag not in ("script", "img", "iframe", "object")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
        if "href" in attributes:
            target = attributes["href"] or ""
            assert target == "data:," or target.removeprefix("#") in ids
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page


@pytest.mark.parametrize("case", ["PASS", "FAIL", "empty", "all failed"])
def test_the_pack_claims_nothing(tmp_path: Path, case: str) -> None:
    text = Reader(page_of(tmp_path / "run", case)[0]).text
    assert not re.search(r"complian|conforms|certified|fulfil", text, re.IGNORECASE)
    assert "It states no conformity with any law or standard" in text
    assert "This is not that audit." in text
    assert "No selection rate, no scoring rate and no impact ratio is computed here." in text
    assert f"Mapping reviewed on {read_mapping().reviewed_on}" in text


def test_thresholds_tell_who_set_them_when_and_whether_before(tmp_path: Path) -> None:
    text = Reader(page_of(tmp_path / "run", "WAIVED")[0]).text
    for expected in (
        "Model risk committee 2026-09-01before the run",
        "2026-09-01set after the fact",
        "Thresholds set before the run: 1 of 2 limits was set after the fact.",
        "Waiver W-12 (owner A. Owner, approved by B. Approver, until 2027-02-01)",
        "A. Owner B. Approver The assistant is not used for hiring; a fix is planned. 2026-08-01 2027-02-01 in use",
        "0.241 nats 0.161 to 0.321",
        "No suite crosses two axes",
        "9 tokens more than the context window",
        "Only what the suite swaps is tested.",
        "Occupations and their female share: BLS, table 11",
        "women",
        "Signature",
        "abababab",
    ):
        assert expected in text


def test_an_empty_run_is_all_gaps(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_audit(folder, empty_audit())
    text = Reader(render_pack(pack_of(folder, empty_audit()))).text
    for expected in (
        "No suite was run.",
        "No threshold was set.",
        "Nothing was measured.",
        "No attention head was measured.",
        "No waiver was given: no failure was accepted.",
        "None are told.",
        "Manifest.json is missing.",
    ):
        assert expected in text
    gaps = gaps_of(empty_audit(), traced=False)
    assert {*gaps} == {*PARTS} - {"method", "coverage", "waivers"}


def test_crossed_axes_are_intersections(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    audit = write_case(folder, "FAIL")
    findings = tuple(each.model_copy(update={"axis": "gender × race"}) for each in audit.findings[:2])
    audit = audit.model_copy(update={"findings": (*audit.findings, *findings)})
    pack = pack_of(folder, audit)
    assert [each.axis for each in pack.results] == ["gender"]
    assert [each.axis for each in pack.intersections] == ["gender × race"]
    assert "intersections" not in pack.gaps
    assert "No suite crosses" not in render_pack(pack)


def test_the_mapping_names_parts_of_the_pack_and_what_was_asked_for() -> None:
    mapping = read_mapping()
    items = [item for framework in mapping.frameworks for item in framework.items]
    assert {part for item in items for part in item.evidence} <= {*PARTS}
    assert all(item.gaps for item in items)
    refs = " ".join(item.ref for item in items)
    for expected in (
        "Annex IV, 2(g)",
        "Article 9",
        "10(2)(f)",
        "10(2)(g)",
        "Annex XI",
        "MEASURE 2.11",
        "MS-2.11",
    ):
        assert expected in refs
    (law,) = [each for each in mapping.frameworks if each.id == "nyc-ll144"]
    assert all(not row.evidence for row in rows_of(law, {}))
    assert law.note.startswith("This is not that audit.")
    assert not re.search(r"complian", str(mapping), re.IGNORECASE)


def test_what_a_run_lacks_is_a_gap_of_each_requirement(tmp_path: Path) -> None:
    audit = write_case(tmp_path / "run", "FAIL")
    (act,) = [each for each in read_mapping().frameworks if each.id == "eu-ai-act"]
    rows = {row.item.ref: row for row in rows_of(act, gaps_of(audit, traced=True))}
    article = rows["Article 9"]
    assert [part.title for part in article.evidence] == ["Hazards", "Thresholds", "Waivers"]
    assert "Thresholds set before the run: 1 of 2 limits was set after the fact." in article.gaps
    assert "Signatures: empty until the persons responsible sign." in rows["Annex IV, 2(g)"].gaps


def test_the_pack_is_written_as_page_and_as_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs.weasyprint()
    folder = tmp_path / "run"
    audit = write_case(folder, "empty")
    monkeypatch.setattr("reports.compliance.has_weasyprint", lambda: False)
    assert ComplianceReport().render(folder, audit) == [folder / "compliance.html"]
    monkeypatch.undo()
    page, paper = ComplianceReport().render(folder, audit)
    assert page == folder / "compliance.html"
    assert paper.read_bytes().startswith(b"%PDF-")
    assert len(paper.read_bytes()) > 10_000


def test_a_page_reaches_for_nothing_when_it_becomes_a_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.weasyprint()
    import urllib.request

    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise AssertionError("something was opened")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refused)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    page = (
        f'<p>a<img src="{secret.as_uri()}"><img src="http://127.0.0.1:9/x"><style>@import "file:///x"</style>'
    )
    assert write_pdf(tmp_path / "x.pdf", page).read_bytes().startswith(b"%PDF-")


def test_the_report_becomes_a_pdf(tmp_path: Path) -> None:
    needs.weasyprint()
    folder = tmp_path / "run"
    folder.mkdir()
    write_audit(folder, empty_audit())
    (file,) = PdfReport().render(folder, empty_audit())
    assert file == folder / "report.pdf"
    assert file.read_bytes().startswith(b"%PDF-")


def test_without_weasyprint_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    write_case(folder, "FAIL")
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert main(["report", str(folder), "--format", "pdf"]) == 2
    assert capsys.readouterr().err == (
        "format pdf: PDF needs the package WeasyPrint: pip install 'evenhand[pdf]'\n"
    )
    assert not (folder / "report.pdf").exists()


def test_without_pango_the_packages_of_the_system_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "weasyprint"
    broken.mkdir()
    (broken / "__init__.py").write_text(
        "raise OSError(\"cannot load library 'libpango-1.0-0'\\nmore\")\n", encoding="utf-8"
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError) as caught:
        load_weasyprint()
    assert str(caught.value) == (
        "format pdf: WeasyPrint cannot load the library that sets text (cannot load library 'libpango-1.0-0'); "
        "on Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
    )
