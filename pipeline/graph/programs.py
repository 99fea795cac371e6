"""Runs the programs of stages/ that are not stages, and `doit run` itself, in subprocesses."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline.graph.compile_notes import CompileNotes
from pipeline.graph.subprocesses import run_in_group


def run_program(name: str, options: Mapping[str, str], *, root: Path, folder: Path) -> int:
    """Run `python -m stages.<name>` with the options, and return its exit code; its output is shown.

    Args:
        options: name -> value, as given by the user.
        root: the project's folder.
        folder: where the program runs.
    """
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    given = [f"{key}={value}" for key, value in options.items()]
    command = [sys.executable, "-m", f"stages.{name}", *given]
    shown = CompileNotes(lambda text: os.write(1, text), moving=os.isatty(1))
    # In its own group, so that it ends when doit is ended.
    code = run_in_group(command, cwd=folder, environment=environment, show=shown)
    shown.close()
    return code


def run_experiment(task: str, argument: str, *, root: Path, at_once: int, executor: str = "local") -> bool:
    """Run `doit run <task>` in a process that ends with this one; return whether it succeeded.

    Args:
        argument: the experiment's file.
        root: the project's folder.
        at_once: how many stages may run at once, whatever the experiment says.
        executor: where they run.
    """
    command = [sys.executable, "-m", "doit", "-f", str(root / "dodo.py"), "run"]
    command += ["-n", str(at_once), "-P", "thread", task, f"experiment={argument}", f"executor={executor}"]
    return run_in_group(command, cwd=root, environment=dict(os.environ), show=partial(os.write, 1)) == 0
