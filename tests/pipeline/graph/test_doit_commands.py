import subprocess
import sys
from pathlib import Path

import pytest
from doit.cmd_base import ModuleTaskLoader
from doit.cmdparse import CmdParseError

from pipeline.graph.doit_commands import List, Run

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("command", "arguments", "line"),
    [
        (
            Run,
            ["--frobnicate", "all"],
            "option --frobnicate not recognized; `doit help run` shows the options",
        ),
        (Run, ["-n"], "option -n requires argument; `doit help run` shows the options"),
        (Run, ["-n", "many"], "-n many: expected a whole number; `doit help run` shows the options"),
        (List, ["--frob"], "option --frob not recognized; `doit help list` shows the options"),
    ],
)
def test_a_wrong_option_is_one_line(command, arguments, line):
    with pytest.raises(CmdParseError) as refused:
        command(task_loader=ModuleTaskLoader({})).parse_execute(arguments)
    assert str(refused.value) == line


def test_doit_asks_these_commands_in_the_projects_folder():
    doit = [sys.executable, "-m", "doit", "run", "--frobnicate"]
    done = subprocess.run(doit, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr == "ERROR: option --frobnicate not recognized; `doit help run` shows the options\n"
    listed = subprocess.run([*doit[:3], "list"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0, listed.stderr
    assert "pretrain" in listed.stdout
    asked = subprocess.run(
        [*doit[:3], "info", "nothing"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 3
    assert asked.stderr == "ERROR: nothing: no such task; `doit list --all` shows what there is\n"
    about = subprocess.run(
        [*doit[:3], "info", "_checks"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "_checks" in about.stdout, about.stderr
