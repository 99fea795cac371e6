"""Leases: which host is making an artifact, on shared filesystems whose locks may not work across hosts.

A lease is a file that names its owner, which touches it at intervals. It is taken over only if its owner is
known to be dead: it was on this host, whose lock is free, or it did not touch the file for long while this
process watched. Clocks of different hosts are never compared.
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

HEARTBEAT_SECONDS = 15.0  # between two touches
DEAD_AFTER_SECONDS = 120.0  # without a touch
_POLL_SECONDS = 2.0


@contextmanager
def leased(
    path: Path, waiting: Callable[[str], None], *, dead_after_seconds: float = DEAD_AFTER_SECONDS
) -> Iterator[bool]:
    """Hold a lease; the caller already holds the lock among the processes of this host.

    A process that was suspended for so long that its lease was taken over ends itself with SIGTERM when it
    resumes: another process now writes into the same directory.

    Args:
        path: the lease's file.
        waiting: called with a description of the owner before waiting for it.
        dead_after_seconds: an owner on another host that does not touch the lease for so long counts as dead.

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
            if not _is_dead(path, owner, dead_after_seconds):
                continue
        _remove_of(path, owner)
    stop = threading.Event()
    heartbeat = threading.Thread(target=_keep_alive, args=(path, me, stop), daemon=True)
    heartbeat.start()
    try:
        yield waited
    finally:
        stop.set()
        heartbeat.join()
        _remove_of(path, me)


def lease_holder(path: Path, *, dead_after_seconds: float = DEAD_AFTER_SECONDS) -> str | None:
    """Description of an owner on another host that seems to be alive; None if there is none.

    It compares the clocks of this host and of the filesystem, so it is good for messages and for skipping
    work, not for taking over a lease.
    """
    owner = _owner(path)
    if owner is None or owner["host"] == platform.node():
        return None
    with suppress(FileNotFoundError):
        if abs(time.time() - path.stat().st_mtime) < dead_after_seconds:
            return describe(owner)
    return None


def describe(owner: dict[str, Any]) -> str:
    """The owner of a lease as messages name it."""
    job = f", Slurm's job {owner['job']}" if owner.get("job") else ""
    return f"process {owner['process']} on {owner['host']}{job}"


def _create(path: Path, owner: dict[str, Any]) -> bool:
    """Write the lease if there is none, atomically with its content, also on NFS."""
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


def _is_dead(path: Path, owner: dict[str, Any], seconds: float) -> bool:
    """Watch the lease: True once it was not touched for so long, False once it has another owner."""
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
        time.sleep(min(_POLL_SECONDS, seconds / 4))
    return True


def _remove_of(path: Path, owner: dict[str, Any]) -> None:
    """Remove the lease if this owner still holds it; if another owner has taken it, it is put back."""
    partial = partial_of(path)
    try:
        os.rename(path, partial)
    except FileNotFoundError:
        return
    if _owner(partial) != owner:
        with suppress(FileExistsError):
            os.link(partial, path)
    partial.unlink()


def _keep_alive(path: Path, me: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            os.utime(path)
            mine = _owner(path) == me
        except FileNotFoundError:
            mine = False
        except OSError:
            continue  # the filesystem does not answer: nothing is known of the lease
        if not mine:
            print(f"{path}: another host has taken over, this process ends", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
