"""Cached values in files: a damaged or missing one counts as never written."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.storage.files import sha256_of_json, write_json


def write_memo(path: Path, value: Any) -> None:
    """Cache a JSON value with its digest; if that fails, as on a full disk, nothing is cached."""
    with suppress(OSError):
        write_json(path, {"sha256": sha256_of_json(value), "value": value})


def read_memo(path: Path) -> Any | None:
    """The value that `write_memo` wrote; None if it is missing or damaged."""
    try:
        memo = json.loads(path.read_text(encoding="utf-8"))
        return memo["value"] if memo["sha256"] == sha256_of_json(memo["value"]) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
