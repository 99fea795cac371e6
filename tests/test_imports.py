"""Imports go one way, and what every command loads is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"jittor", "sklearn", "matplotlib", "scipy", "skimage", "torch", "tqdm"}
LAYERS = ("pipeline", "benchmarks", "stages", "dodo")  # each imports what stands before it
SOURCES = sorted(p for top in LAYERS[:-1] for p in (ROOT / top).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


# What turns the graph into doit's tasks; nothing else in the library knows doit.
_OF_DOIT = ("doit_tasks", "command_tasks", "sweep_tasks", "doit_commands")
TASK_FILES = [ROOT / "pipeline" / "graph" / f"{name}.py" for name in _OF_DOIT]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_imports_upward(path):
    layer = path.relative_to(ROOT).parts[0]
    above = {"tests", *LAYERS[LAYERS.index(layer) + 1 :]} | ({"doit"} if path not in TASK_FILES else set())
    names = imported(path)
    assert not above & {name.split(".")[0] for name in names}
    if layer == "stages":
        assert not {name for name in names if name.startswith("stages")}, "a stage never imports another"


# Settings that live beside what they set.
SETTINGS = [
    "pipeline.evaluate.probes.settings",
    "pipeline.models.auxiliary_heads.kinds",
    "pipeline.pretrain.methods.settings",
]


def test_config_imports_nothing_of_the_pipeline_but_settings():
    files = [*(ROOT / "pipeline" / "config").glob("*.py")]
    files += [ROOT / f"{name.replace('.', '/')}.py" for name in SETTINGS]
    for path in files:
        inside = {name for name in imported_above(path) if name.startswith("pipeline.")}
        assert all(name.startswith(("pipeline.config", *SETTINGS)) for name in inside), path


def imported_above(path: Path) -> set[str]:
    """What is imported when the module is: nothing that stands in a function."""
    tops = [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ImportFrom)]
    return {node.module for node in tops}


@pytest.mark.parametrize("arguments", [("list", "--all", "--status"), ("run", "plan"), ("run", "config")])
def test_commands_load_nothing_heavy(arguments):
    program = (
        "import sys; from doit.doit_cmd import DoitMain; code = DoitMain().run(sys.argv[1:]); "
        f"heavy = {HEAVY!r} & set(sys.modules); print('heavy:', sorted(heavy)); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, *arguments, "experiment=smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("heavy: []")
