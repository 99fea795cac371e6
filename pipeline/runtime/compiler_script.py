"""Writes the scripts that Jittor runs in place of a compiler."""

import os
from pathlib import Path

from pipeline.storage.files import replacing


def written_script(path: Path, text: str) -> str | None:
    """Write an executable script unless it is there; its path, or None where Jittor could not run it.

    Args:
        path: of the script. Jittor passes it to a shell as it is.
        text: of the script.
    """
    if not path.is_file() or path.read_text() != text:
        with replacing(path) as partial:
            partial.write_text(text)
            partial.chmod(0o700)
    return str(path) if " " not in str(path) and os.access(path, os.X_OK) else None
