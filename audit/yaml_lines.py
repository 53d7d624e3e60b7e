"""YAML that remembers the file and line of everything in it.

Anchors, merge keys (``<<``) and ``!include FILE`` (relative to the file) are resolved; top-level keys
that begin with ``x-`` only hold anchors and are dropped. As in YAML 1.2 only ``true`` and ``false``
are booleans, so that ``no`` and ``on`` stay words; keys are always text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audit.errors import Fault, InputError

DocumentPath = tuple[str | int, ...]
_MERGE = "tag:yaml.org,2002:merge"
_MOST_NODES = 500_000  # a few lines of nested aliases could otherwise fill the memory


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file: the file as the user named it, and the line from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file that was read.

    Args:
        file: as the user named it.
        data: mappings, lists and scalars.
        marks: path inside the document → place.
        hashes: every file that was read → SHA-256 of its bytes.
    """

    file: str
    data: Any
    marks: Mapping[DocumentPath, Mark]
    hashes: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The file's SHA-256; with includes, that of all files' lines ``hash  name``."""
        if len(self.hashes) == 1:
            return next(iter(self.hashes.values()))
        folder = Path(self.file).parent.as_posix()
        lines = [f"{value}  {_relative(name, folder)}\n" for name, value in self.hashes.items()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def where(self, path: DocumentPath) -> Mark:
        """The place of a path, or of the nearest thing around it."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, Mark(self.file, 0))

    def fault(self, path: DocumentPath, message: str) -> Fault:
        """Make a fault at a path."""
        mark = self.where(path)
        return Fault(mark.file, mark.line, show_path(path), message)


def show_path(path: DocumentPath) -> str:
    """Write a path as ``templates[2].text``; keys that are no plain words are quoted."""
    shown = ""
    for key in path:
        if isinstance(key, int):
            shown += f"[{key}]"
        elif re.fullmatch(r"[\w-]+", key):
            shown += f".{key}" if shown else key
        else:
            shown += f"[{json.dumps(key, ensure_ascii=False)}]"
    return shown


def read_document(path: str | Path, shown: str | None = None) -> Document:
    """Read a YAML file with the line of everything in it.

    Args:
        path: the file.
        shown: how to call it in messages; the path itself by default.
    Raises:
        InputError: it cannot be read or parsed; a key is there twice; an include fails.
    """
    reader = _Reader()
    name = str(path) if shown is None else shown
    data = reader.read(Path(path), name, (), ())
    if reader.faults:
        raise InputError(reader.faults)
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if not key.startswith("x-")}
    return Document(name, data, reader.marks, reader.hashes)


class _Loader(yaml.SafeLoader):
    """Composes nodes; words become numbers, dates and truth values as in YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _kind, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$"
        r"|\.(?:nan|NaN|NAN)$",
        "-+0123456789.",
    ),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}$", "0123456789"),
    ("merge", r"<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), list(_first))


class _Reader:
    """Builds data from nodes and collects marks, hashes and faults on the way."""

    def __init__(self) -> None:
        self.marks: dict[DocumentPath, Mark] = {}
        self.hashes: dict[str, str] = {}
        self.faults: list[Fault] = []
        self._nodes = 0

    def read(self, file: Path, shown: str, path: DocumentPath, around: tuple[Any, ...]) -> Any:
        """Read one file; ``around`` holds the files and nodes that it lies in."""
        mark = self.marks.get(path)
        try:
            content = file.read_bytes()
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            told = f"cannot include '{shown}': {reason}" if mark else reason
            self._fault(mark or Mark(shown, 0), path, told)
            return None
        if file.resolve() in around:
            self._fault(mark or Mark(shown, 0), path, f"'{shown}' includes itself")
            return None
        self.hashes[shown] = hashlib.sha256(content).hexdigest()
        try:
            loader = _Loader(content.decode("utf-8-sig"))
            node = loader.get_single_node()
        except UnicodeDecodeError as error:
            self._fault(
                Mark(shown, content[: error.start].count(b"\n") + 1), path, "the file is not UTF-8 text"
            )
            return None
        except yaml.YAMLError as error:
            self._fault(*_yaml_problem(error, shown, path))
            return None
        except RecursionError:
            self._fault(Mark(shown, 1), path, "not valid YAML: nested too deeply")
            return None
        if node is None:
            self._fault(Mark(shown, 1), path, "the file is empty; expected YAML")
            return None
        return self._build(node, path, _Place(loader, file, shown), (*around, file.resolve()))

    def _fault(self, mark: Mark, path: DocumentPath, message: str) -> None:
        self.faults.append(Fault(mark.file, mark.line, show_path(path), message))

    def _build(self, node: yaml.Node, path: DocumentPath, place: _Place, around: tuple[Any, ...]) -> Any:
        mark = place.mark(node)
        self.marks.setdefault(path, mark)
        self._nodes += 1
        if node in around:
            self._fault(mark, path, "an alias stands for something around it")
            return None
        if self._nodes > _MOST_NODES:
            if self._nodes == _MOST_NODES + 1:
                self._fault(mark, path, f"more than {_MOST_NODES} entries")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, place, around)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._build(child, (*path, index), place, (*around, node))
                for index, child in enumerate(node.value)
            ]
        return self._mapping(node, path, place, (*around, node))

    def _scalar(
        self, node: yaml.ScalarNode, path: DocumentPath, place: _Place, around: tuple[Any, ...]
    ) -> Any:
        if node.tag == "!include":
            shown = (Path(place.shown).parent / node.value).as_posix()
            self.marks[path] = place.mark(node)
            return self.read(place.file.parent / node.value, shown, path, around)
        try:
            return place.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            self._fault(place.mark(node), path, f"not a valid {tag} (got {node.value!r})")
            return None

    def _mapping(self, node: yaml.Node, path: DocumentPath, place: _Place, around: tuple[Any, ...]) -> Any:
        data: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                data |= self._merged(value_node, path, place, around)
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(place.mark(key_node), path, "a key is not plain text")
                continue
            key = str(key_node.value)
            if key in own:
                self._fault(place.mark(key_node), (*path, key), f"the key '{key}' is there twice")
                continue
            own.add(key)
            self._forget((*path, key))
            self.marks[(*path, key)] = place.mark(key_node)
            data[key] = self._build(value_node, (*path, key), place, around)
        return data

    def _merged(self, node: yaml.Node, path: DocumentPath, place: _Place, around: tuple[Any, ...]) -> Any:
        """What ``<<`` brings in: a mapping, or a list of mappings of which the first wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            if not isinstance(source, yaml.MappingNode) or source in around:
                self._fault(place.mark(node), path, "'<<' is not an alias of a mapping")
                continue
            merged |= self._mapping(source, path, place, (*around, source))
        return merged

    def _forget(self, path: DocumentPath) -> None:
        """Drop the marks of a merged value that the mapping's own value replaces."""
        if path in self.marks:
            for known in [known for known in self.marks if known[: len(path)] == path]:
                del self.marks[known]


@dataclass(frozen=True, slots=True)
class _Place:
    """The file that nodes come from."""

    loader: _Loader
    file: Path
    shown: str

    def mark(self, node: yaml.Node) -> Mark:
        return Mark(self.shown, node.start_mark.line + 1)


def _yaml_problem(error: yaml.YAMLError, shown: str, path: DocumentPath) -> tuple[Mark, DocumentPath, str]:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = " ".join(part for part in (error.problem, error.context) if part)
        return Mark(shown, error.problem_mark.line + 1), path, f"not valid YAML: {problem}"
    return Mark(shown, 1), path, f"not valid YAML: {str(error).splitlines()[0]}"


def _relative(name: str, folder: str) -> str:
    return name.removeprefix(f"{folder}/")
