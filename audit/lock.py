"""One process at a time writes a run folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.environment import now
from audit.errors import InputError

if sys.platform == "win32":
    import msvcrt

    #: Far behind what is written into the file: Windows lets nobody read locked bytes.
    _FAR = 1 << 20

    def _take(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def locked(file: Path, folder: Path) -> Iterator[None]:
    """Hold a lock as long as the block runs; the system lets go of it when the process ends, however it ends.

    Args:
        file: the lock; made if it is not there.
        folder: the run folder, for the message.
    Raises:
        InputError: another process holds it.
        OSError: the file cannot be made or locked.
    """
    descriptor = _lock(file, folder)
    try:
        yield
    finally:
        os.ftruncate(descriptor, 0)  # nobody holds it any more
        os.close(descriptor)


def _lock(file: Path, folder: Path) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _take(descriptor):
                raise InputError.single(f"{_holder(file)}; wait for it, or choose another --out", folder)
            if _is(descriptor, file):
                told = json.dumps({"pid": os.getpid(), "since": now()}).encode()
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, told)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is(descriptor: int, file: Path) -> bool:
    """Whether the file is still the one that was opened: its last holder may have taken it away."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _holder(file: Path) -> str:
    try:
        told = json.loads(file.read_bytes())
        return f"another evenhand (pid {told['pid']}, since {told['since']}) is writing this run folder"
    except (OSError, ValueError, KeyError, TypeError):
        return "another evenhand is writing this run folder"
