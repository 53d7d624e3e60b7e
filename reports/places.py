"""Where a finding lies in the user's repository: the line of a threshold, of a suite, of a pair."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from audit.errors import InputError
from audit.results import Audit, CheckResult, SuiteInfo
from audit.results.visible import in_line
from audit.store import AUDIT
from audit.yaml_lines import read_document

#: Folders in which a repository keeps its configs; the root is the first.
_CONFIG_FOLDERS: Final = ("", "configs", "config", ".evenhand", ".github")
_MOST_FILES, _MOST_BYTES = 100, 200_000


class Place(NamedTuple):
    """A stretch of one line of a file, columns from 1; the end column is that after its last character.

    Args:
        file: relative to the root, with slashes.
        line: from 1.
        column, end_column: from the first character of the line that is no blank, to its end.
        text: the line; empty where the file is not at hand.
    """

    file: str
    line: int
    column: int = 1
    end_column: int = 2
    text: str = ""

    @property
    def uri(self) -> str:
        """The file as a relative URI reference."""
        return quote(self.file, errors="surrogatepass")


class Places:
    """Finds lines in the files below a root folder, which is that of the repository."""

    def __init__(self, audit: Audit, root: Path) -> None:
        self._audit, self._root = audit, root
        self._lines = cache(self._read)
        self._configs = cache(lambda: tuple(self._matching_configs()))

    def of_check(self, check: CheckResult) -> Place:
        """The line of the check's threshold in a config of the repository; else that of its suite."""
        for file, thresholds in self._configs():
            line = thresholds.get((check.id, check.measure, check.at_most))
            if line is not None:
                return self.at(file, line)
        return self.of_suite(check.suite)

    def of_suite(self, name: str) -> Place:
        """The line that names a suite; the first suite's where the name is unknown."""
        suites = self._audit.suites
        found: SuiteInfo | None = next((suite for suite in suites if suite.name == name), None)
        chosen = found or (suites[0] if suites else None)
        if chosen is None:
            return Place(AUDIT, 1)
        lines = self._lines(self.relative(chosen.file))
        named = (number for number, line in enumerate(lines, 1) if line.startswith("suite:"))
        return self.at(chosen.file, next(named, 1))

    def at(self, file: str, line: int) -> Place:
        """A line of a file, with its columns where the file can be read."""
        name, number = self.relative(file), max(1, line)
        lines = self._lines(name)
        text = lines[number - 1].rstrip() if number <= len(lines) else ""
        if not text.strip():
            return Place(in_line(name, 1000), number)
        return Place(
            in_line(name, 1000), number, len(text) - len(text.lstrip()) + 1, len(text) + 1, text.strip()
        )

    def relative(self, file: str) -> str:
        """A file as seen from the root; its bare name where it lies elsewhere, for the rest tells of a machine."""
        path = Path(os.path.normpath(self._root / file))
        if path == self._root:
            return AUDIT
        return (
            path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.name or AUDIT
        )

    def _read(self, name: str) -> tuple[str, ...]:
        try:
            return tuple((self._root / name).read_text(encoding="utf-8-sig").split("\n"))
        except (OSError, ValueError):
            return ()

    def _matching_configs(self) -> Iterator[tuple[str, dict[tuple[str, str, float], int]]]:
        """Configs of the audit's preset name: file, and line of each threshold.

        The audit does not tell which file its thresholds came from, so only those count that are the same.
        """
        preset = self._audit.config.get("preset", "custom")
        for path in self._config_files():
            name = path.relative_to(self._root).as_posix()
            try:
                document = read_document(path, name)
            except InputError:
                continue
            data = document.data
            if not isinstance(data, dict) or data.get("preset", "custom") != preset:
                continue
            checks = data.get("checks")
            entries = enumerate(checks if isinstance(checks, list) else [])
            yield (
                name,
                {
                    (str(entry.get("id")), str(entry.get("measure")), entry["at_most"]): mark.line
                    for index, entry in entries
                    if isinstance(entry, dict) and isinstance(entry.get("at_most"), int | float)
                    if (mark := document.where(("checks", index, "at_most"))).file == name
                },
            )

    def _config_files(self) -> list[Path]:
        folders = [self._root / folder for folder in _CONFIG_FOLDERS]
        found = [path for folder in folders for path in sorted(folder.glob("*.y*ml"))]
        small = [path for path in found if path.is_file() and path.stat().st_size <= _MOST_BYTES]
        return small[:_MOST_FILES]
