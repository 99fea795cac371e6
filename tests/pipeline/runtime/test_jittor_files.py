"""An installed Jittor beside the list in its wheel, in a copy of some of its files."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.runtime.jittor_files import jittor_files

_COPIED = ("jittor/nn.py", "jittor/src/var.h", "jittor/src/op.h", "jittor/__init__.py")


@pytest.fixture
def copy(tmp_path):
    """Some of Jittor's files, with the lines of the list that name them."""
    real = metadata.distribution("jittor")
    if not real.files:
        pytest.skip("Jittor was not installed from a wheel")
    info = tmp_path / f"jittor-{real.version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: jittor\nVersion: {real.version}\n")
    lines = real.read_text("RECORD").splitlines()
    kept = [line for line in lines if line.partition(",")[0] in _COPIED]
    assert len(kept) == len(_COPIED)
    (info / "RECORD").write_text("\n".join([*kept, f"{info.name}/RECORD,,"]) + "\n")
    for name in _COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real.locate_file(name), tmp_path / name)
    return tmp_path


def looked_at(copy, *, content):
    (info,) = copy.glob("*.dist-info")
    return jittor_files(content=content, installed=metadata.PathDistribution(info))


def test_what_is_installed_here_is_whole():
    files = jittor_files(content=True)
    assert files.version == metadata.version("jittor")
    assert files.num_listed > 500
    assert files.differing == ()


def test_a_copy_is_whole_too(copy):
    assert looked_at(copy, content=True).differing == ()
    assert looked_at(copy, content=True).num_listed == len(_COPIED)


def test_a_header_of_another_length_is_seen_by_its_size(copy):
    header = copy / "jittor" / "src" / "var.h"
    size = header.stat().st_size
    header.write_bytes(header.read_bytes() + b"\n")
    files = looked_at(copy, content=False)
    assert files.differing == (f"{header}: expected {size} bytes, found {size + 1}",)
    assert files.num_missing == 0
    assert files.remedy.endswith(f"jittor=={files.version}")


def test_one_letter_is_seen_where_the_content_is_read(copy):
    header = copy / "jittor" / "src" / "op.h"
    content = bytearray(header.read_bytes())
    content[-2] ^= 1
    header.write_bytes(content)
    assert looked_at(copy, content=False).differing == ()
    (line,) = looked_at(copy, content=True).differing
    assert line.startswith(f"{header}: expected SHA-256 ")


def test_missing_files_come_first_and_the_others_are_counted(copy):
    (copy / "jittor" / "nn.py").unlink()
    (copy / "jittor" / "__init__.py").write_text("")
    files = looked_at(copy, content=False)
    assert files.num_missing == 1
    assert str(files) == f"{copy}/jittor/nn.py: No such file or directory, and 1 more of Jittor"


def test_without_a_list_nothing_is_said(copy):
    (info,) = copy.glob("*.dist-info")
    (info / "RECORD").unlink()
    assert looked_at(copy, content=True).num_listed == 0


def test_a_start_refuses_what_is_half_installed(copy, tmp_path):
    """In a process that would import the copy."""
    (copy / "jittor" / "nn.py").unlink()
    code = "from pipeline.runtime.start_jittor import start; start('cpu')"
    root = Path(__file__).resolve().parents[3]
    variables = os.environ | {"PYTHONPATH": f"{copy}:{root}", "HSSL_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "Jittor is not whole: " in last
    assert f"{copy}/jittor/nn.py: No such file or directory. Remedy: python -m pip install" in last
    assert not (tmp_path / "cache" / "jittor").exists()
