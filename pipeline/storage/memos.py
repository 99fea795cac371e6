"""Files that only save time: what is damaged or missing is as good as never written."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.storage.files import sha256_of_json, write_json


def write_memo(path: Path, value: Any) -> None:
    """Write a value of JSON with its digest; where that fails, as on a full disk, nothing is remembered."""
    with suppress(OSError):
        write_json(path, {"sha256": sha256_of_json(value), "value": value})


def read_memo(path: Path) -> Any | None:
    """The value that `write_memo` wrote; None if there is none, or it is not what was written."""
    try:
        memo = json.loads(path.read_text(encoding="utf-8"))
        return memo["value"] if memo["sha256"] == sha256_of_json(memo["value"]) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
