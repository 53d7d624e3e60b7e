"""Statements about a run folder, signed or not: which files they speak of, by their hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.dsse import STATEMENT, Envelope, read_envelope
from audit.errors import StoreError

#: How the names of files end that hold a signed envelope, and those of bare statements.
SIGNED: Final = ".intoto.json"
UNSIGNED: Final = ".statement.json"
#: Type of in-toto statements.
TYPE: Final = "https://in-toto.io/Statement/v1"
#: What stands before the name of a model's file in a statement, as it does not lie in the run folder.
MODEL: Final = "model/"


@dataclass(frozen=True, slots=True)
class Attestation:
    """An in-toto statement.

    Args:
        subjects: name → SHA-256 of everything that it speaks of.
        envelope: what it came in; None for a bare statement, which nobody signed.
    """

    subjects: Mapping[str, str]
    envelope: Envelope | None


def read_attestation(file: Path) -> Attestation:
    """Read a statement; its signatures are not checked.

    Raises:
        StoreError: it cannot be read, or it is no statement.
    """
    envelope = read_envelope(file) if file.name.endswith(SIGNED) else None
    try:
        payload = file.read_bytes() if envelope is None else envelope.payload
        statement = json.loads(payload)
        if statement["_type"] != TYPE or (envelope is not None and envelope.kind != STATEMENT):
            raise ValueError("another type")
        subjects = {str(each["name"]): str(each["digest"]["sha256"]) for each in statement["subject"]}
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{file}: not an in-toto statement") from error
    return Attestation(subjects, envelope)
