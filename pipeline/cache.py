"""Where compiled kernels are kept: one private folder per user, outside the project."""

import os
import tempfile
from pathlib import Path


def cache_root() -> Path:
    """A writable folder for compiled code: `$XDG_CACHE_HOME/hssl`, `~/.cache/hssl`, or a temporary one.

    A home folder that is unset or read-only must not stop a run, so the last resort is a folder for
    this user in the system's temporary folder.
    """
    candidates = []
    if os.environ.get("HSSL_CACHE"):
        candidates.append(Path(os.environ["HSSL_CACHE"]))
    if os.environ.get("XDG_CACHE_HOME"):
        candidates.append(Path(os.environ["XDG_CACHE_HOME"]) / "hssl")
    if os.environ.get("HOME"):
        candidates.append(Path(os.environ["HOME"]) / ".cache" / "hssl")
    candidates.append(Path(tempfile.gettempdir()) / f"hssl-cache-{os.getuid()}")
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder.resolve()
    raise OSError(f"no writable folder for compiled code among {[str(c) for c in candidates]}")
