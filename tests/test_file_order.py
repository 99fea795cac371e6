"""Slow files come first, and each file's tests stay together in their order."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.file_order import slow_files_first

ROOT = Path(__file__).resolve().parent.parent


def item(path: str, name: str, *, mark: str | None = None) -> SimpleNamespace:
    """What the order looks at of a test."""
    return SimpleNamespace(path=Path(path), name=name, get_closest_marker=lambda asked: asked == mark)


def test_slow_files_come_first_then_those_with_most_tests():
    items = [
        item("a.py", "1"),
        item("b.py", "1"),
        item("b.py", "2"),
        item("c.py", "1"),
        item("c.py", "2", mark="slow"),
        item("d.py", "2", mark="counted"),
    ]
    found = [(each.path.name, each.name) for each in slow_files_first(items)]
    assert found == [("c.py", "1"), ("c.py", "2"), ("d.py", "2"), ("b.py", "1"), ("b.py", "2"), ("a.py", "1")]


def test_processes_beside_each_other_get_them_in_this_order(tmp_path):
    """With the project's own options, on files of another folder."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    note = "def note():\n    with open({!r}, 'a') as stream:\n        stream.write({!r})\n"
    texts = {
        "a": "def test_1(): note()\ndef test_2(): note()\n",
        "z": "import pytest\n@pytest.mark.slow\ndef test(): note()\n",
    }
    for name, text in texts.items():
        (tmp_path / f"test_{name}.py").write_text(note.format(str(tmp_path / "started"), name) + text)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    command += ["-p", "no:cacheprovider", "-q", "-n", "1", "-m", "", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "started").read_text() == "zaa"
