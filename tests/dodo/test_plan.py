"""What `doit run plan` says before anything ran."""

import re
import shutil

import pytest

FIRST = 'extends = "smoke"\nsegmentation = false\ndetection = false\ndense_probe = false\n'


@pytest.fixture
def untouched(project):
    """The project before its first run."""
    shutil.rmtree(project.folder / "results")
    return project


def test_a_first_run_says_a_time_for_every_stage(untouched):
    (untouched.folder / "first.toml").write_text(FIRST)
    *lines, closing = untouched.doit("run", "plan", experiment="first.toml").stdout.splitlines()
    assert re.search(r"^(\d+) of \1 stages would run, about \d+ (s|min)(, \d+ stages at once)?$", closing)
    stages = [line for line in lines if "waits for prepare" in line or "never run" in line]
    assert len(stages) == int(closing.split()[0])
    assert all(re.search(r"\d (s|min) .*; time is a forecast$", line) for line in stages)


def test_a_time_without_a_basis_is_not_said(untouched):
    """The images of the toy project are none that are drawn."""
    lines = untouched.doit("run", "plan").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("prepare:images")]
    assert line.split()[1] == "-"
    assert "of unknown duration" in lines[-1]
