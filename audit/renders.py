"""What lies beside a run's own files: ``renders.json``, with the hash of the decision and of each later render.

``manifest.json`` is never changed after the run, but ``gate`` may decide again and ``report`` may render again. So
the hashes of ``audit.json`` and of all renders are kept here, with that of the manifest. The file ends with a seal,
its own hash: it shows damage. It keeps nobody from writing another seal; a signature does that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

from audit.durable import digest_of, json_bytes, write_whole
from audit.errors import StoreError

RENDERS: Final = "renders.json"
_SEAL: Final = "sha256"


@dataclass(frozen=True, slots=True)
class Render:
    """One file that was made from a finished run.

    Args:
        format: the renderer's name.
        sha256: of the file.
        audit: SHA-256 of the ``audit.json`` that it was made from.
    """

    format: str
    sha256: str
    audit: str


@dataclass(frozen=True, slots=True)
class Renders:
    """``renders.json``.

    Args:
        audit, manifest: SHA-256 of ``audit.json`` and of ``manifest.json``.
        files: path inside the run folder → render.
    """

    audit: str
    manifest: str
    files: Mapping[str, Render]

    def write(self, folder: Path) -> None:
        """Write the file with its seal; raises OSError."""
        content: dict[str, Any] = {
            "audit": self.audit,
            "manifest": self.manifest,
            "renders": {name: asdict(render) for name, render in self.files.items()},
        }
        write_whole(folder / RENDERS, json_bytes({**content, _SEAL: _sealed(content)}))


def read_renders(folder: Path) -> Renders:
    """Read what is known of a run folder's renders.

    Raises:
        FileNotFoundError: there is no such file, as in runs of older versions.
        StoreError: it cannot be read, or it is not, byte for byte, what was written.
    """
    file = folder / RENDERS
    told = "not what was written; remove it, and `evenhand report` writes it anew"
    try:
        content = file.read_bytes()
        found = json.loads(content)
        if json_bytes(found) != content or found.pop(_SEAL) != _sealed(found):
            raise StoreError(f"{file}: {told}")
        files = {name: Render(**render) for name, render in found["renders"].items()}
        texts = [
            found["audit"],
            found["manifest"],
            *(text for each in files.values() for text in astuple(each)),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise StoreError(f"{file}: {told}")
        return Renders(found["audit"], found["manifest"], files)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file}: {told}") from error


def record_renders(folder: Path, name: str, audit: str, files: Iterable[Path]) -> None:
    """Keep the hashes of what a renderer wrote; files of the same format that are gone are forgotten.

    Args:
        folder: the run folder. One without ``renders.json`` gets it, and its ``audit.json`` is taken as it is.
        name: of the format.
        audit: SHA-256 of the ``audit.json`` that the renderer was given.
        files: what it wrote.
    Raises:
        OSError, StoreError: ``renders.json`` cannot be written, or is damaged.
    """
    known = known_renders(folder)
    kept = {
        path: render
        for path, render in known.files.items()
        if render.format != name or (folder / path).is_file()
    }
    made = {each.relative_to(folder).as_posix(): Render(name, digest_of(each), audit) for each in files}
    replace(known, files={**kept, **made}).write(folder)


def known_renders(folder: Path) -> Renders:
    """Read what is known of a run folder's renders; of an older version's, the hashes of what is there.

    Raises:
        OSError, StoreError: a file cannot be read, or ``renders.json`` is damaged.
    """
    try:
        return read_renders(folder)
    except FileNotFoundError:
        manifest = folder / "manifest.json"
        own = digest_of(manifest) if manifest.is_file() else ""
        return Renders(digest_of(folder / "audit.json"), own, {})


def _sealed(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_bytes(content)).hexdigest()
