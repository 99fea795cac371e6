"""The library of device kernels: for which cards it is compiled, and what the compiler is asked for."""

import pytest

from pipeline.native.build import BuildError
from pipeline.native.cuda.build import build_device_library
from pipeline.runtime.cuda import Toolkit

NVCC_12_4 = (70, 75, 80, 86, 87, 89, 90)


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Toolkit:
    """A toolkit whose compiler writes down what it is asked for, and empty files."""
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "cache"))
    nvcc = tmp_path / "nvcc"
    nvcc.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        'while [ $# -gt 1 ]; do [ "$1" = -o ] && : > "$2"; shift; done\n'
    )
    nvcc.chmod(0o755)
    return Toolkit(nvcc, (12, 4), (tmp_path,), tmp_path, "12.4.131", tmp_path, NVCC_12_4, None)


@pytest.mark.parametrize(
    ("architecture", "asked"),
    [((8, 0), "code=sm_80"), ((9, 0), "code=sm_90"), ((12, 0), "arch=compute_90,code=compute_90")],
)
def test_code_is_for_the_card(tools, tmp_path, architecture, asked):
    assert build_device_library(architecture, tools).is_file()
    *compiled, linked = (tmp_path / "asked").read_text().splitlines()
    assert len(compiled) > 20
    assert all(asked in line for line in (*compiled, linked))
    assert "-lcublasLt" in linked


def test_a_card_without_the_instructions_is_refused(tools, tmp_path):
    with pytest.raises(BuildError, match=r"compute capability 7\.5, they are for 8\.0 and newer"):
        build_device_library((7, 5), tools)
    assert not (tmp_path / "asked").exists()
