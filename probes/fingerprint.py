"""SHA-256 of every file that makes a model what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from audit.errors import ModelError
from probes.resolve import Source

#: Endings of files that decide what a model computes or how it reads text.
_ENDINGS = (".safetensors", ".bin", ".json", ".txt", ".model", ".jinja", ".tiktoken")
_NOT_READ = ("readme", "license", "notice", "training_args", "optimizer")


def file_digest(path: Path) -> str:
    """SHA-256 of one file, as 64 hexadecimal digits.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def fingerprint(source: Source) -> Mapping[str, str]:
    """Digests of a model's files.

    Args:
        source: where the files lie.
    Returns:
        File name → SHA-256, sorted by name; for a ``.gguf`` file that one file, which holds weights,
        tokenizer and chat template.
    Raises:
        ModelError: a file cannot be read.
    """
    if source.kind == "gguf":
        return {source.path.name: file_digest(source.path)}
    files = [path for path in sorted(source.path.iterdir()) if path.is_file() and _counts(path)]
    return {path.name: file_digest(path) for path in files}


def _counts(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(_ENDINGS) and not name.startswith(_NOT_READ)
