"""What lies in a folder, to see that nothing was left in it; and where public data is."""

from __future__ import annotations

from pathlib import Path

import pytest


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every file under a folder with its content, hidden ones too; folders with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def shared(*parts: str) -> Path:
    """A file or folder of the public data beside the repository; skips where it is not there.

    No data set is committed, so that these tests skip wherever nobody has put the data, CI included.
    """
    root = Path(__file__).resolve().parent.parent
    for folder in root.parents:
        if (found := folder.joinpath("shared", *parts)).exists():
            return found
    pytest.skip(f"no {'/'.join(('shared', *parts))} beside the repository: public data is not committed")
