"""Reads suites and presets, and tells all their faults at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.config import RunConfig
from audit.embedding_references import embedding_faults
from audit.errors import Fault, InputError
from audit.references import reference_faults
from audit.suite import Suite
from audit.validate import hint, listed, shown, validate
from audit.yaml_lines import Document, DocumentPath, Mark, read_document

#: The folder that holds ``suites`` and ``configs``, beside this package in a checkout and in a wheel.
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite and the document that it was read from."""

    suite: Suite
    document: Document

    @property
    def file(self) -> str:
        """The file as the user named it."""
        return self.document.file

    @property
    def sha256(self) -> str:
        """Hash of the file and of everything that it includes."""
        return self.document.sha256

    def where(self, path: DocumentPath) -> Mark:
        """File and line of a path such as ``("templates", 2, "text")``."""
        return self.document.where(path)


def built_in(kind: str) -> tuple[str, ...]:
    """Names of the built-in ``suites`` or ``configs``, sorted."""
    return tuple(sorted(path.stem for path in (ROOT / kind).glob("*.yaml")))


def load_suite(path: str | Path) -> LoadedSuite:
    """Read and check a suite.

    Args:
        path: a YAML file; or a built-in suite's name (``quickstart``) or place (``suites/quickstart.yaml``).
    Raises:
        InputError: with every fault of the file that can be told without expanding it.
    """
    document = read_document(*_find(path, "suites"))
    suite = validate(document, Suite)
    faults = [*reference_faults(suite, document), *embedding_faults(suite, document)]
    if faults:
        raise InputError(faults)
    return LoadedSuite(suite, document)


def suite_digest(path: str) -> str | None:
    """Hash a suite with all that it includes, as :attr:`LoadedSuite.sha256` does, whatever is in it.

    Args:
        path: as the suite was named when it was run.
    Returns:
        The hash; empty if the files cannot be read as YAML; None if no such file is here.
    """
    try:
        file, shown = _find(path, "suites")
        return read_document(file, shown).sha256 if file.is_file() else None
    except InputError:
        return ""


def load_config(path_or_preset: str | Path) -> tuple[RunConfig, Document]:
    """Read and check a run and gate preset.

    Args:
        path_or_preset: a YAML file, or a preset's name (``quick``).
    Raises:
        InputError: with every fault of the file.
    """
    document = read_document(*_find(path_or_preset, "configs"))
    config = validate(document, RunConfig)
    faults = _config_faults(config, document)
    if faults:
        raise InputError(faults)
    return config, document


def _find(path: str | Path, kind: str) -> tuple[Path, str]:
    """The file itself if it is there, else the built-in one of that name or place; and how to call it."""
    given = Path(path)
    names = built_in(kind)
    if given.is_file():
        return given, str(path)
    if len(given.parts) == 2 and given.parts[0] == kind and given.stem in names:
        return ROOT / given, given.as_posix()
    if str(path) in names:
        return ROOT / kind / f"{path}.yaml", f"{kind}/{path}.yaml"
    if len(given.parts) == 1 and not given.suffix and not given.exists():
        expected = f"expected {listed(names)}, or a YAML file{hint(str(path), names)}"
        raise InputError.single(f"no such {kind.removesuffix('s')} {shown(str(path))}; {expected}")
    return given, str(path)


def _config_faults(config: RunConfig, document: Document) -> list[Fault]:
    faults = []
    checks = [check.id for check in config.checks]
    for part, ids in (("checks", checks), ("waivers", [waiver.id for waiver in config.waivers])):
        for index, name in enumerate(ids):
            if name in ids[:index]:
                faults.append(document.fault((part, index, "id"), f"the id is there twice {shown(name)}"))
    for index, waiver in enumerate(config.waivers):
        if waiver.check not in checks:
            expected = (
                f"unknown check {waiver.check!r}; expected {listed(checks)}{hint(waiver.check, checks)}"
            )
            faults.append(document.fault(("waivers", index, "check"), expected))
        if waiver.expires <= waiver.created:
            told = f"expires before it was created {shown(str(waiver.expires))}"
            faults.append(
                document.fault(
                    ("waivers", index, "expires"), f"{told}; expected a date after {waiver.created}"
                )
            )
    return faults
