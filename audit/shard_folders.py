"""The shards of one run, read back: all of them, each once, and alike in everything that decides about a number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from audit.agreement import read_agreement
from audit.batch_key import PACKAGES
from audit.config import RunConfig
from audit.errors import Fault, InputError, StoreError
from audit.results import Shard
from audit.store import MANIFEST, RunFolder, open_run

if TYPE_CHECKING:
    import pandas as pd

#: What machines and folders are called, and how a model's proof went there, changes no number.
_TOLD = {"model": ("name", "self_test"), "suites": ("file",)}


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A finished shard, read back.

    Args:
        run: its folder.
        shard: which one it is.
        config: what it was made with.
        manifest: ``manifest.json``.
        deciding: of it, everything that decides about a number: place → value.
    """

    run: RunFolder
    shard: Shard
    config: RunConfig
    manifest: Mapping[str, Any]
    deciding: Mapping[str, object]

    @property
    def path(self) -> Path:
        """The folder."""
        return self.run.path

    def tables(self) -> dict[str, pd.DataFrame]:
        """Read all tables but the heads'; raises StoreError if one is not, byte for byte, what the shard wrote."""
        for name in self.run.table_names:
            if name != "heads":
                self.check(f"{name}.parquet")
        return self.run.tables()

    def check(self, name: str) -> Path:
        """The place of a file of the shard; raises StoreError if its bytes are not those that the shard wrote."""
        file, wanted = self.path / name, self.manifest["files"].get(name)
        try:
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise StoreError(f"{file}: cannot be read ({error.strerror}); run the shard again") from error
        if found != wanted:
            raise StoreError(f"{file}: not what the shard wrote ({MANIFEST} tells); run the shard again")
        return file


def read_shards(paths: Sequence[Path]) -> tuple[ShardFolder, ...]:
    """Open the shards of a run.

    Args:
        paths: run folders, in any order.
    Returns:
        All shards by their number.
    Raises:
        InputError: one is unfinished or no shard, one is there twice or missing, or they are not of one run.
    """
    shards = [_read(path) for path in paths]
    _check_numbers(shards)
    first, *others = ordered = sorted(shards, key=lambda each: each.shard.index)
    if faults := [fault for other in others for fault in _differences(first, other)]:
        raise InputError(faults)
    return tuple(ordered)


def _read(path: Path) -> ShardFolder:
    run, file = open_run(path), path / MANIFEST
    config = read_agreement(file).config
    manifest = json.loads(file.read_text(encoding="utf-8"))
    if manifest.get("shard") is None:
        told = "a whole run, not a shard; expected folders of `evenhand run … --shard I/N`"
        raise InputError.single(told, file, path="shard")
    try:
        shard, deciding = Shard.model_validate(manifest["shard"]), dict(_flat(_deciding(manifest)))
        return ShardFolder(run, shard, config, {"files": {}, **manifest}, deciding)
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise InputError.single("not a manifest; run the shard again", file) from error


def _check_numbers(shards: Sequence[ShardFolder]) -> None:
    """Every number once, of the same many.

    Raises:
        InputError: tells every folder that is too much, or all shards that are missing.
    """
    first, seen, faults = shards[0], dict[int, Path](), []
    for each in shards:
        if each.shard.of != first.shard.of:
            told = f"is {each.shard}, but {first.path} is {first.shard}; expected shards of one run"
            faults.append(Fault(str(each.path), 0, "", told))
        elif each.shard.index in seen:
            told = f"is {each.shard}, and so is {seen[each.shard.index]}; expected each shard once"
            faults.append(Fault(str(each.path), 0, "", told))
        seen.setdefault(each.shard.index, each.path)
    if faults:
        raise InputError(faults)
    missing = [str(index) for index in range(1, first.shard.of + 1) if index not in seen]
    if missing:
        told = f"{', '.join(missing)} of {first.shard.of} {'is' if len(missing) == 1 else 'are'} missing"
        raise InputError.single(f"{told}; expected all shards of the run", path="shard")


def _differences(first: ShardFolder, other: ShardFolder) -> Iterator[Fault]:
    """Everything that decides about a number and is not the same in two shards."""
    wanted, found = first.deciding, other.deciding
    for path in sorted({*wanted, *found}):
        if wanted.get(path) != found.get(path):
            told = f"not as in {first.shard}, {first.path} (got {_shown(found.get(path))}); "
            told += f"expected {_shown(wanted.get(path))}"
            yield Fault(str(other.path / MANIFEST), 0, path, told)


def _deciding(manifest: Mapping[str, Any]) -> dict[str, Any]:
    versions = manifest["environment"]["versions"]
    return {
        "model": _kind_of_device({k: v for k, v in manifest["model"].items() if k not in _TOLD["model"]}),
        "suites": [
            {k: v for k, v in suite.items() if k not in _TOLD["suites"]} for suite in manifest["suites"]
        ],
        "config": _kind_of_device(manifest["config"]),
        "limit": manifest["limit"],
        "probes": manifest["probes"],
        "environment": {"versions": {name: versions[name] for name in PACKAGES}},
        "records": {"source": manifest["records"]["source"]},
    }


def _kind_of_device(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Shards may be measured on ``cuda:0`` and ``cuda:1`` of one machine."""
    return {**settings, "device": settings["device"].split(":")[0]}


def _flat(content: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value with its place, such as ``suites[0].sha256``."""
    match content:
        case dict():
            for key, value in content.items():
                yield from _flat(value, f"{path}.{key}" if path else str(key))
        case list():
            yield path, len(content)
            for number, value in enumerate(content):
                yield from _flat(value, f"{path}[{number}]")
        case _:
            yield path, content


def _shown(value: object) -> str:
    """A value; of a hash its beginning."""
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
