"""The doors through which probes, reports and backends come in: entry points, checked when loaded."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from audit.errors import InputError

if TYPE_CHECKING:
    from audit.protocols import (
        Backend,
        ComparisonReport,
        InterventionProbe,
        ModelProbe,
        Planter,
        Probe,
        Report,
        RunFigure,
    )

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Door(Generic[Part]):
    """One group of entry points and the protocol that each of them must fulfil.

    The built-in parts come in through the same door as anybody else's. An entry point names a class
    (or a function) that makes the part when called without arguments; the part's ``name`` is the
    entry point's.

    Args:
        kind: what a part is called in messages, such as ``probe``.
        group: the entry-point group.
        protocol: name of the protocol in ``audit.protocols``.
        others: names of the other protocols, one of which a part may fulfil instead.
    """

    kind: str
    group: str
    protocol: str
    others: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the names of all parts that are installed, sorted; none of them is loaded."""
        return tuple(sorted(_published(self.group)))

    def get(self, name: str, where: str = "") -> Part:
        """Load a part and check it against its protocol.

        Args:
            name: the entry point's name.
            where: what asked for it (``probes[2]``), for the message.
        Returns:
            A new part.
        Raises:
            InputError: no such part; two packages provide it; it cannot be loaded; or it is not what the
                protocol asks for.
        """
        published = _published(self.group)
        if name not in published:
            raise InputError.single(self._unknown(name), path=where)
        providers = published[name]
        if len(providers) > 1:
            packages = " and ".join(sorted(_package(point) for point in providers))
            raise InputError.single(
                f"{self.kind} {name!r} is provided by {packages}; expected one package; uninstall the others",
                path=where,
            )
        return self._load(providers[0], where)

    def _load(self, point: EntryPoint, where: str) -> Part:
        title = f"{self.kind} {point.name!r} of {_package(point)} ({point.value})"
        try:
            part: Part = point.load()()
        except Exception as error:
            # Whatever a third party's module raises is told to the user as one line.
            message = f"{title} cannot be loaded ({type(error).__name__}: {error})"
            raise InputError.single(message, path=where) from error
        faults = _missing(part, self._protocol_of(part), point.name)
        if faults:
            raise InputError.single(f"{title} is not a {self.kind}: {'; '.join(faults)}", path=where)
        return part

    def _protocol_of(self, part: object) -> type:
        """The protocol that the part comes nearest to."""
        names = [self.protocol, *self.others]
        return max(
            map(_protocol, names), key=lambda protocol: sum(hasattr(part, m) for m in _members(protocol))
        )

    def _unknown(self, name: str) -> str:
        names = self.names()
        message = f"unknown {self.kind} {name!r}; expected {_alternatives(names)}"
        close = difflib.get_close_matches(name, names, n=1)
        return f"{message}; did you mean {close[0]!r}?" if close else message


PROBES: Door[Probe | ModelProbe | InterventionProbe] = Door(
    "probe", "evenhand.probes", "Probe", ("ModelProbe", "InterventionProbe")
)
REPORTS: Door[Report] = Door("report", "evenhand.reports", "Report")
COMPARISONS: Door[ComparisonReport] = Door("format", "evenhand.comparisons", "ComparisonReport")
FIGURES: Door[RunFigure] = Door("figure", "evenhand.figures", "RunFigure")
BACKENDS: Door[Backend] = Door("backend", "evenhand.backends", "Backend")
PLANTERS: Door[Planter] = Door("planter", "evenhand.planters", "Planter")


def _published(group: str) -> Mapping[str, list[EntryPoint]]:
    """Entry points of a group by name; the same one published twice counts once."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {})[_package(point), point.value] = point
    return {name: list(points.values()) for name, points in found.items()}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed package"


def _alternatives(names: tuple[str, ...]) -> str:
    if not names:
        return "one that is installed (none is)"
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


@cache
def _protocol(name: str) -> type:
    from audit import protocols

    found: type = getattr(protocols, name)
    return found


def _members(protocol: type) -> tuple[str, ...]:
    """What a protocol asks for: attributes and methods."""
    methods = (key for key, member in vars(protocol).items() if inspect.isfunction(member))
    return (*typing.get_type_hints(protocol), *(key for key in methods if not key.startswith("_")))


def _missing(part: Any, protocol: type, name: str) -> list[str]:
    """Everything that keeps a part from fulfilling a protocol, in the protocol's order."""
    faults = [
        fault
        for attribute, kind in typing.get_type_hints(protocol).items()
        if (fault := _attribute_fault(part, attribute, kind))
    ]
    if not faults and part.name != name:
        faults = [f"its name is {part.name!r}, not that of the entry point"]
    methods = {key: member for key, member in vars(protocol).items() if inspect.isfunction(member)}
    wanted = {key: member for key, member in methods.items() if not key.startswith("_")}
    return faults + [fault for key, member in wanted.items() if (fault := _method_fault(part, key, member))]


def _attribute_fault(part: object, attribute: str, kind: Any) -> str | None:
    if not hasattr(part, attribute):
        return f"it has no {attribute}"
    value = getattr(part, attribute)
    return None if isinstance(value, kind) else f"{attribute} is {value!r}, not {kind.__name__}"


def _method_fault(part: object, name: str, wanted: Any) -> str | None:
    method = getattr(part, name, None)
    if not callable(method):
        return f"it has no method {name}"
    parameters = [each for each in inspect.signature(wanted).parameters.values() if each.name != "self"]
    by_place = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    by_name = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        inspect.signature(method).bind(*by_place, **by_name)
    except TypeError as error:
        return f"{name}{inspect.signature(method)} cannot be called as {name}({_shown(parameters)}): {error}"
    return None


def _shown(parameters: list[inspect.Parameter]) -> str:
    return ", ".join(f"{each.name}=…" if each.kind is each.KEYWORD_ONLY else each.name for each in parameters)
