"""Leases: which host makes an artifact, where several share a filesystem whose locks may not reach them all.

A lease is a file that names its owner, who touches it for as long as it holds it. It is taken over only from
an owner that is known to be dead: one on this host, whose lock is free, or one that did not touch it for long
while it was watched from here. No clocks of two hosts are compared.
"""

import json
import os
import platform
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.storage.files import partial_of, read_json

BEAT_SECONDS = 15.0  # between two touches
DEAD_AFTER_SECONDS = 120.0  # without a touch
_LOOK_SECONDS = 2.0


@contextmanager
def leased(
    path: Path, waiting: Callable[[str], None], *, dead_after_seconds: float = DEAD_AFTER_SECONDS
) -> Iterator[bool]:
    """Hold a lease; the caller already holds the lock that all processes of this host share.

    A process that was silent for so long that its lease was taken over ends itself with SIGTERM when it
    wakes: what it writes into is another's now.

    Args:
        path: the lease's file.
        waiting: called with a description of the owner before waiting for it.
        dead_after_seconds: an owner on another host that was silent for so long is dead.

    Yields:
        Whether another host held it first.
    """
    me = {"host": platform.node(), "process": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}
    me["id"] = uuid.uuid4().hex
    waited = False
    while not _create(path, me):
        owner = _owner(path)
        if owner is None:
            continue
        if owner["host"] != me["host"]:
            if not waited:
                waiting(describe(owner))
            waited = True
            if not _falls_silent(path, owner, dead_after_seconds):
                continue
        _remove_of(path, owner)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, me, stop), daemon=True)
    beating.start()
    try:
        yield waited
    finally:
        stop.set()
        beating.join()
        _remove_of(path, me)


def lease_holder(path: Path, *, dead_after_seconds: float = DEAD_AFTER_SECONDS) -> str | None:
    """Description of the owner on another host that seems to be alive; None if there is none.

    By the clocks of this host and of the filesystem: for people, and to leave things alone.
    """
    owner = _owner(path)
    if owner is None or owner["host"] == platform.node():
        return None
    with suppress(FileNotFoundError):
        if abs(time.time() - path.stat().st_mtime) < dead_after_seconds:
            return describe(owner)
    return None


def describe(owner: dict[str, Any]) -> str:
    """The owner of a lease, in words."""
    job = f", Slurm's job {owner['job']}" if owner.get("job") else ""
    return f"process {owner['process']} on {owner['host']}{job}"


def _create(path: Path, owner: dict[str, Any]) -> bool:
    """Write the lease if there is none; with its content, in one step, also on NFS."""
    partial = partial_of(path)
    partial.write_text(json.dumps(owner), encoding="utf-8")
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


def _owner(path: Path) -> dict[str, Any] | None:
    try:
        owner = read_json(path)
    except FileNotFoundError:
        return None
    if not isinstance(owner, dict) or not {"host", "process", "job", "id"} <= owner.keys():
        raise ValueError(f"{path}: a lease has host, process, job and id, found {owner}")
    return owner


def _falls_silent(path: Path, owner: dict[str, Any], seconds: float) -> bool:
    """Watch until the owner was silent for so long, or is no longer the owner."""
    touched, since = None, time.monotonic()
    while time.monotonic() - since < seconds:
        try:
            now = path.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if now != touched:
            if _owner(path) != owner:
                return False
            touched, since = now, time.monotonic()
        time.sleep(min(_LOOK_SECONDS, seconds / 4))
    return True


def _remove_of(path: Path, owner: dict[str, Any]) -> None:
    """Remove the lease if it is still this owner's; one that was written meanwhile is put back."""
    partial = partial_of(path)
    try:
        os.rename(path, partial)
    except FileNotFoundError:
        return
    if _owner(partial) != owner:
        with suppress(FileExistsError):
            os.link(partial, path)
    partial.unlink()


def _beat(path: Path, me: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            os.utime(path)
            mine = _owner(path) == me
        except FileNotFoundError:
            mine = False
        except OSError:
            continue  # the filesystem does not answer: no news of the lease
        if not mine:
            print(f"{path}: another host has taken over, this process ends", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
