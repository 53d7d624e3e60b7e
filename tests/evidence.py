"""Keys and run folders of the tests of evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audit.results import Verdict
from audit.verify import verify
from tests.reports.sample_audit import audit_of, empty_audit
from tests.reports.sample_run import Sample, details, head_findings, head_table, output_table, pair_table
from tests.whole_run import write_whole_run


def write_keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A private Ed25519 key and its public one, as PEM files."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def write_evidence(out: Path, sample: Sample = "fail") -> Path:
    """A finished run with this verdict, small in its tables and details."""
    pairs = pair_table()
    random = np.random.default_rng(7)
    if sample == "empty":
        audit = empty_audit()
    else:
        heads = () if sample == "error" else head_findings(random, flagged=sample in ("fail", "waived"))
        audit = audit_of(Verdict(sample.upper()), pairs, heads)
    without = audit.coverage.model_copy(update={"surveys": ()})  # no table of them is written
    audit = audit.model_copy(update={"coverage": without})
    shown = details(pairs, np.random.default_rng(11))[:2]
    tables = (pairs, output_table(pairs, random, hostile=False), head_table(pairs, random))
    return write_whole_run(out, audit, tables, shown)


def faults(folder: Path, key: Path | None = None) -> list[str]:
    """What `evenhand verify` tells of a run, without the folder's name."""
    return [str(fault).removeprefix(f"{folder}/") for fault in verify(folder, key).faults]
