"""Programs that replace Slurm's commands."""

import os
from pathlib import Path


def put_on_path(folder: Path, monkeypatch, **programs: str) -> None:
    """Put shell scripts with these names first on PATH."""
    for name, script in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
