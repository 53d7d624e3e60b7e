"""What lies in a folder, to see that nothing was left in it."""

from __future__ import annotations

from pathlib import Path


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every file under a folder with its content, hidden ones too; folders with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
