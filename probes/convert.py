"""A ``.gguf`` file, unpacked once into a folder in the user's cache.

Packed weights are unpacked again at every product, and the tokenizer alone takes seconds to build;
the unpacked copy loads in one. It is keyed by the file's SHA-256 and the transformers version that
unpacked it, written beside its place and renamed, and checked against its own digests when used.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from audit.errors import ModelError
from probes.fingerprint import file_digest
from probes.quiet import quiet

_MAGIC = b"GGUF"
_DIGESTS = "converted.json"


def cache_home() -> Path:
    """Evenhand's folder in the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "evenhand"


def converted(file: Path, digest: str) -> Path:
    """The folder of an unpacked ``.gguf`` file; unpacked now if it is not in the cache.

    Args:
        file: the ``.gguf`` file.
        digest: its SHA-256.
    Returns:
        A folder with float32 safetensors, config and tokenizer.
    Raises:
        ModelError: the file is not GGUF, is cut short, or the cache cannot be written.
    """
    _check_header(file)
    place = cache_home() / "gguf" / digest / f"transformers-{transformers.__version__}"
    if _is_whole(place):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            shutil.rmtree(place)
        work = Path(tempfile.mkdtemp(prefix=".partial-", dir=place.parent))
    except OSError as error:
        raise ModelError(
            f"{place.parent}: the converted copy of {file.name} cannot be written ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that can"
        ) from error
    try:
        _convert(file, work)
        _put(work, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _check_header(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_MAGIC))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    if start != _MAGIC:
        raise ModelError(f"{file}: not a GGUF file (it starts with {start!r})")


def _convert(file: Path, folder: Path) -> None:
    """Unpack the file into a folder and note the digests of what was written."""
    where = {"gguf_file": file.name, "local_files_only": True}
    try:
        # One of transformers' bars obeys no setting, so standard error is held back as a whole.
        with quiet(), redirect_stderr(StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
            net = AutoModelForCausalLM.from_pretrained(
                file.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
            )
            net.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except Exception as error:
        # Readers of a broken file fail in many ways (struct, numpy, mmap, tokenizers): all mean the same.
        first = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{file}: cannot be unpacked ({type(error).__name__}: {first}); the file may be cut short"
        ) from error
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    (folder / _DIGESTS).write_text(json.dumps(digests, indent=1), encoding="utf-8")


def _put(work: Path, place: Path) -> None:
    """Rename into place; another process may have been faster, and its copy is as good."""
    try:
        work.rename(place)
    except OSError as error:
        if not _is_whole(place):
            raise ModelError(f"{place}: cannot be written ({error.strerror})") from error


def _is_whole(place: Path) -> bool:
    """Whether a converted copy is there and is what was written."""
    try:
        digests = json.loads((place / _DIGESTS).read_text(encoding="utf-8"))
        return all(file_digest(place / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, ModelError):
        return False
