"""Runs the programs of stages/ that are no stages: what looks at finished work, or makes something of it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.graph.compile_notes import CompileNotes
from pipeline.graph.subprocesses import run_in_group


def run_program(name: str, options: Mapping[str, str], *, root: Path, folder: Path) -> int:
    """Run `python -m stages.<name>` with the options, and return its exit code; its output is shown.

    Args:
        options: name -> value, as the user gave them.
        root: the project's folder.
        folder: where the program runs.
    """
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    given = [f"{key}={value}" for key, value in options.items()]
    command = [sys.executable, "-m", f"stages.{name}", *given]
    shown = CompileNotes(lambda text: os.write(1, text), moving=os.isatty(1))
    # In a group of its own: when doit is ended, so is what it started.
    code = run_in_group(command, cwd=folder, environment=environment, show=shown)
    shown.close()
    return code
