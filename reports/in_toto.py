"""The verdict as an in-toto statement: what was tested, with what result, and, signed, by whom.

Predicate: test-result v0.1 of the in-toto attestation framework.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from audit.attestation import MODEL, SIGNED, TYPE, UNSIGNED
from audit.dsse import private_key, sign
from audit.durable import digest_of, write_whole
from audit.renders import known_renders
from audit.results import Audit, Verdict
from audit.results.visible import visible
from audit.store import AUDIT, MANIFEST
from reports.check_names import check_name
from reports.check_words import WHOLE_RUN, beside_checks

PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
RESULTS: Final[dict[Verdict, str]] = {
    Verdict.PASS: "PASSED",
    Verdict.WAIVED: "WARNED",
    Verdict.INCONCLUSIVE: "WARNED",
    Verdict.FAIL: "FAILED",
    Verdict.ERROR: "FAILED",
}
#: Lists of the predicate, and which results go there.
_LISTS: Final = {"passedTests": "PASSED", "warnedTests": "WARNED", "failedTests": "FAILED"}
_NAME: Final = "test-result"


class InTotoReport:
    """Writes ``test-result.intoto.json``, a signed envelope; unsigned, the bare statement.

    A statement that nobody signed is not put into an envelope: ``test-result.statement.json`` can be taken for nothing
    else, and other tools can sign it.
    """

    name = "in-toto"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the statement, unsigned.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        """
        file = folder / f"{_NAME}{UNSIGNED}"
        write_whole(file, statement(folder, audit))
        return [file]

    def sign(self, folder: Path, audit: Audit, key: Path) -> list[Path]:
        """Write the statement in a signed envelope (DSSE); it speaks of what was rendered before, too.

        Args:
            folder: a finished run folder.
            audit: its result.
            key: a private Ed25519 key (PEM).
        Returns:
            The one file written. An unsigned statement that lay there is taken away.
        Raises:
            InputError: the key cannot be used.
        """
        file = folder / f"{_NAME}{SIGNED}"
        write_whole(file, sign(statement(folder, audit), private_key(key)))
        (folder / f"{_NAME}{UNSIGNED}").unlink(missing_ok=True)
        return [file]


def statement(folder: Path, audit: Audit) -> bytes:
    """The statement as JSON: its subjects are the model's files, the run's two main files, and its renders.

    Tables and records need no mention: ``manifest.json`` holds their hashes.
    """
    return json.dumps(
        {
            "_type": TYPE,
            "subject": [_described(name, sha256) for name, sha256 in _subjects(folder, audit).items()],
            "predicateType": PREDICATE,
            "predicate": {
                "result": RESULTS[audit.verdict],
                "configuration": _configuration(audit),
                **_tests(audit),
            },
        },
        indent=1,
    ).encode()


def _tests(audit: Audit) -> dict[str, list[str]]:
    """Checks by their result, and what the gate decided beside them."""
    results = [(check_name(check), check.verdict) for check in audit.gate.checks]
    if beside := beside_checks(audit):
        results.append((WHOLE_RUN, beside.verdict))
    return {
        name: [test for test, verdict in results if RESULTS[verdict] == result]
        for name, result in _LISTS.items()
    }


def _subjects(folder: Path, audit: Audit) -> dict[str, str]:
    known = known_renders(folder)
    renders = {
        name: render.sha256
        for name, render in known.files.items()
        if render.format != InTotoReport.name and render.audit == known.audit
    }
    own = {name: digest_of(folder / name) for name in (MANIFEST, AUDIT) if (folder / name).is_file()}
    return {**{f"{MODEL}{name}": sha256 for name, sha256 in audit.model.hashes.items()}, **own, **renders}


def _configuration(audit: Audit) -> list[dict[str, Any]]:
    """What was decided with: suites as files, and the config as canonical JSON (sorted keys, no spaces)."""
    config = json.dumps(audit.config, sort_keys=True, separators=(",", ":"))
    return [
        *(_described(visible(suite.file), suite.sha256) for suite in audit.suites),
        {
            **_described("config", hashlib.sha256(config.encode()).hexdigest()),
            "mediaType": "application/json",
        },
    ]


def _described(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}
