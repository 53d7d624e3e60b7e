"""CrowS-Pairs (Nangia et al. 2020): ``crows_pairs_anonymized.csv``, as published."""

from __future__ import annotations

from pathlib import Path

from audit.errors import Fault, InputError
from audit.importers.delimited import Row, read_table
from audit.importers.imported import Imported, LeftOut
from audit.pairs import ALL_AXES
from audit.suite import Arm, Suite, WrittenPair
from audit.validate import shown

_MORE, _LESS, _DIRECTION, _AXIS = "sent_more", "sent_less", "stereo_antistereo", "bias_type"
_DIRECTIONS = ("stereo", "antistereo")

_SOURCES = (
    "Nangia, Vania, Bhalerao and Bowman (2020): CrowS-Pairs: A Challenge Dataset for Measuring Social Biases in "
    "Masked Language Models. EMNLP. https://github.com/nyu-mll/crows-pairs",
    "Blodgett et al. (2021): Stereotyping Norwegian Salmon. ACL (finds that many of its items are unreliable)",
)


def read_crows_pairs(source: Path) -> Imported:
    """Make a suite of CrowS-Pairs: arm ``more`` is the more stereotyping sentence of each pair.

    ``stereo_antistereo`` tells whether the sentence shows or breaks a stereotype of the disadvantaged
    group; it is kept as an attribute and decides nothing: ``sent_more`` stereotypes more in either case.

    Args:
        source: the csv file.
    Raises:
        InputError: with every fault, at its line.
    """
    rows = read_table(source, (_MORE, _LESS, _DIRECTION, _AXIS), ",")
    faults = [fault for row in rows for fault in _faults(row)]
    if faults:
        raise InputError(faults)
    same = tuple(
        LeftOut(row.number, "with two equal sentences")
        for row in rows
        if row.cells[_MORE] == row.cells[_LESS]
    )
    left_out = {row.row for row in same}
    suite = Suite(
        suite="crows-pairs",
        version=1,
        axis=ALL_AXES,
        task="sentence",
        description="CrowS-Pairs: which of two sentences the model finds likelier, by nine kinds of bias.",
        license="CC-BY-SA-4.0",
        sources=_SOURCES,
        arms=(
            Arm(id="more", group="more stereotyping", stereotypical=True),
            Arm(id="less", group="less stereotyping"),
        ),
        pairs=tuple(_pair(row) for row in rows if row.number not in left_out),
    )
    return Imported(suite, len(rows), same)


def _faults(row: Row) -> list[Fault]:
    found = [
        row.fault(column, "the cell is empty; expected text")
        for column in (_MORE, _LESS, _AXIS)
        if not row.cells[column].strip()
    ]
    if row.cells[_DIRECTION] not in _DIRECTIONS:
        told = f"unknown direction {shown(row.cells[_DIRECTION])}; expected {' or '.join(_DIRECTIONS)}"
        found.append(row.fault(_DIRECTION, told))
    return found


def _pair(row: Row) -> WrittenPair:
    return WrittenPair.model_validate(
        {
            "id": f"row-{row.number}",
            "axis": row.cells[_AXIS],
            "source_row": row.number,
            "attributes": {_DIRECTION: row.cells[_DIRECTION]},
            "more": row.cells[_MORE],
            "less": row.cells[_LESS],
        }
    )
