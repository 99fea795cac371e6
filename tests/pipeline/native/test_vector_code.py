"""The compiler makes vector code of every loop that asks for it, the exponentials' among them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.native import build
from pipeline.runtime.onednn import onednn_paths

FOLDER = Path(build.__file__).parent
SOURCES = sorted(path for path in FOLDER.glob("*.cpp") if "omp simd" in path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_simd_loop(source, tmp_path):
    compiler = shutil.which("g++")
    if compiler is None or "Free Software Foundation" not in _output_of([compiler, "--version"]):
        pytest.skip("only GCC says which loops became vector code")
    found = onednn_paths()
    if found is None and "products.h" in source.read_text():
        pytest.skip("oneDNN is not installed")
    include = [] if found is None else [f"-I{found[0]}"]
    flags = [flag for flag in build._FLAGS if flag != "-shared"]
    flags += ["-fopenmp", *include, "-fopt-info-vec-missed"]
    output = _output_of([compiler, *flags, "-c", source, "-o", tmp_path / "a.o"])
    scalar = set(re.findall(r"(\S+?):(\d+):\d+: missed: couldn't vectorize loop", output))
    asked = {(name, line) for name, line in scalar if _asks_for_vectors(name, int(line))}
    assert not asked


def _asks_for_vectors(name: str, line: int) -> bool:
    lines = (FOLDER / name.rsplit("/", 1)[-1]).read_text().splitlines() if "native" in name else []
    return bool(lines) and "omp" in lines[line - 2] and "simd" in lines[line - 2]


def _output_of(command: list) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr
