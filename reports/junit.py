"""JUnit XML: one test suite for each suite, one case for each of its checks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from audit.durable import write_whole
from audit.results import Audit, CheckResult, Verdict
from audit.results.visible import in_line
from reports.check_words import ANY_SUITE, WHOLE_RUN, accepted, beside_checks, figures, sentence
from reports.places import Places
from reports.wording import ADVICE

#: Verdict → the element that tells it, and its type; as in pytest, what cannot be decided fails.
_OUTCOMES: Final = {
    Verdict.FAIL: ("failure", "limit exceeded"),
    Verdict.INCONCLUSIVE: ("failure", "inconclusive"),
    Verdict.ERROR: ("error", "not measured"),
}


class JunitReport:
    """Writes ``junit.xml``."""

    name = "junit"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the checks as test cases into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        """
        path = folder / "junit.xml"
        write_whole(path, junit_xml(audit, Path.cwd()))
        return [path]


def junit_xml(audit: Audit, root: Path) -> bytes:
    """Render an audit as JUnit XML.

    Args:
        audit: its result.
        root: the folder of the repository, which files are told from.
    Returns:
        UTF-8 with an XML declaration. A verdict that no check gives (an incomplete run, or one without checks) is a
        case of its own, so that the file never looks better than the audit.
    """
    places, checks = Places(audit, root), audit.gate.checks
    named = dict.fromkeys([*(suite.name for suite in audit.suites), *(check.suite for check in checks)])
    cases = {name: [_case(c, audit, places) for c in checks if c.suite == name] for name in named}
    top = ET.Element("testsuites", name="evenhand")
    for name, own in cases.items():
        top.append(_suite(in_line(name) or ANY_SUITE, own, audit))
    if whole := beside_checks(audit):
        case = ET.Element("testcase", name=WHOLE_RUN, classname="evenhand")
        _add_properties(case, {"verdict": whole.verdict.value, "report": "report.html#coverage"})
        _add_outcome(case, whole.verdict, whole.why, ADVICE[whole.verdict])
        top.append(_suite("evenhand", [case], audit))
    _count(top, [case for suite in top for case in suite.iter("testcase")])
    return _written(top)


def _suite(name: str, cases: list[ET.Element], audit: Audit) -> ET.Element:
    suite = ET.Element("testsuite", name=name)
    _count(suite, cases)
    started = str(audit.environment.get("started", ""))[:19]  # the format knows no time zone; it is UTC
    if started:
        suite.set("timestamp", in_line(started))
    _add_properties(
        suite,
        {
            "model": audit.model.name,
            "architecture": audit.model.architecture,
            "dtype": audit.model.dtype,
            "verdict": audit.verdict.value,
            "pairs_planned": str(audit.coverage.planned),
            "pairs_measured": str(audit.coverage.measured),
        },
    )
    suite.extend(cases)
    return suite


def _case(check: CheckResult, audit: Audit, places: Places) -> ET.Element:
    suite, against = in_line(check.suite) or ANY_SUITE, "/".join(map(in_line, check.contrast or ()))
    place = places.of_check(check)
    case = ET.Element(
        "testcase",
        name=f"{in_line(check.id)} [{against}]" if against else in_line(check.id),
        classname=f"evenhand.{suite}",
        file=place.file,
        line=str(place.line),
    )
    _add_properties(case, {**figures(check), "report": "report.html#checks"})
    if check.verdict is Verdict.WAIVED:
        ET.SubElement(case, "skipped", message=accepted(check, audit)).text = sentence(check.why)
    else:
        _add_outcome(case, check.verdict, sentence(check.why), ADVICE[check.verdict])
    return case


def _add_outcome(case: ET.Element, verdict: Verdict, why: str, advice: str) -> None:
    if verdict in _OUTCOMES:
        element, kind = _OUTCOMES[verdict]
        ET.SubElement(case, element, message=why, type=kind).text = f"{why}\n{advice}"


def _add_properties(element: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(element, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=in_line(value, 1000))


def _count(element: ET.Element, cases: Iterable[ET.Element]) -> None:
    own = list(cases)
    element.set("tests", str(len(own)))
    for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(outcome) is not None for case in own)))


def _written(top: ET.Element) -> bytes:
    ET.indent(top)
    stream = io.BytesIO()
    ET.ElementTree(top).write(stream, encoding="utf-8", xml_declaration=True)
    return stream.getvalue() + b"\n"
