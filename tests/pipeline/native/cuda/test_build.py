"""The device sources as nvcc compiles them: no warning, and registers that do not spill."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.native.cuda.sources import device_sources
from pipeline.runtime.cuda import Toolkit
from pipeline.runtime.cuda.links import linked
from pipeline.runtime.cuda.toolkits import OLDEST, find_toolkits
from tests.cuda_toolkit import toolkit_13

ARCHITECTURES = ("80", "90", "120")
# Bytes of a thread. Attention keeps its sums and fragments in 128 registers, so that two blocks fit on a
# multiprocessor; ptxas then spills a few words in some of its forms, and for sm_120 two words in two forms of
# the norm's gradient. Nothing else may spill.
MOST_SPILLED = {"attention_forward": 64, "attention_backward": 64, "layer_norm": 8}


@pytest.fixture(scope="module")
def tools():
    return toolkit_13()


def spilled(output: str) -> dict[str, int]:
    """Bytes of spill stores of each kernel, from what `ptxas -v` says."""
    pattern = r"Function properties for (\S+)\s+\d+ bytes stack frame, (\d+) bytes spill stores"
    return {name: int(count) for name, count in re.findall(pattern, output)}


def compiled_sources(tools: Toolkit, architecture: str, folder: Path) -> dict[str, str]:
    """Compile every source, warnings as errors; what the compiler said, by the source's name."""
    target = f"-gencode=arch=compute_{architecture},code=sm_{architecture}"
    common = [str(tools.nvcc), "-O3", "-std=c++17", target, "--Werror=all-warnings", "-Xptxas=-v", "-c"]
    common += [f"-I{include}" for include in tools.include_folders]

    def compiled(source: Path) -> str:
        command = [*common, str(source), "-o", str(folder / f"{source.stem}.o")]
        environment = {**os.environ, "NVCC_APPEND_FLAGS": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    sources = device_sources()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip((source.stem for source in sources), pool.map(compiled, sources), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_source_compiles(tools, tmp_path, architecture):
    kernels = {name: spilled(text) for name, text in compiled_sources(tools, architecture, tmp_path).items()}
    assert sum(map(len, kernels.values())) > 50  # else ptxas said nothing
    too_much = {
        (name, kernel): count
        for name, found in kernels.items()
        for kernel, count in found.items()
        if count > MOST_SPILLED.get(name, 0)
    }
    assert not too_much


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["80", "90"])
def test_every_source_compiles_with_an_older_toolkit(tmp_path, architecture):
    """No wheel has an nvcc of CUDA 12: nvidia-cuda-nvcc-cu12 is an assembler and libraries."""
    older = [found for found in find_toolkits() if OLDEST <= found.version < (13, 0) and not found.missing]
    if not older:
        pytest.skip("no CUDA 11.8 or 12 on this machine")
    compiled_sources(linked(older[0]), architecture, tmp_path)
