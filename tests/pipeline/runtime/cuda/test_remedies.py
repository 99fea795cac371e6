"""What the compilers are told, by version of CUDA and architecture of the card."""

import subprocess
from pathlib import Path

import pytest

from pipeline.runtime.cuda import toolkits
from pipeline.runtime.cuda.remedies import (
    SHIMS,
    architecture_flag,
    code_flag,
    compiles_for,
    flags,
    remedies,
)

NVCC_12_4 = (50, 60, 70, 75, 80, 86, 87, 89, 90)
NVCC_12_8 = (*NVCC_12_4, 100, 101, 120)
NVCC_13_0 = (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121)


@pytest.mark.parametrize("version", [(11, 8), (12, 4), (12, 9)])
def test_before_13_only_the_headers_are_put_first(version):
    cc_flags, nvcc_flags = flags(version, (9, 0), NVCC_12_4)
    assert cc_flags == f'-I"{SHIMS}"'
    assert nvcc_flags == ""


@pytest.mark.parametrize("version", [(13, 0), (13, 5)])
def test_what_13_dropped_is_made_up_for(version):
    cc_flags, nvcc_flags = flags(version, (9, 0), NVCC_13_0)
    assert "-DcomputeMode=major -DclockRate=major" in cc_flags
    assert nvcc_flags == "-std=c++17"


@pytest.mark.parametrize(
    ("version", "gcc", "allowed"),
    [
        ((11, 8), 11, False),
        ((11, 8), 12, True),
        ((12, 4), 13, False),
        ((12, 3), 13, True),
        ((13, 0), 16, True),
    ],
)
def test_a_gcc_that_nvcc_does_not_know_is_allowed(version, gcc, allowed):
    _, nvcc_flags = flags(version, (9, 0), (), gcc)
    assert ("-allow-unsupported-compiler" in nvcc_flags) is allowed


def test_each_remedy_has_a_reason():
    assert all(len(remedy.reason) > 20 for remedy in remedies((13, 0)))


@pytest.mark.parametrize(
    ("capability", "targets", "expected"),
    [
        ((7, 0), NVCC_12_4, ""),  # Jittor names these itself
        ((8, 6), NVCC_13_0, ""),
        ((9, 0), NVCC_13_0, ""),
        ((10, 0), NVCC_13_0, "-gencode arch=compute_100,code=sm_100"),
        ((12, 0), NVCC_13_0, "-gencode arch=compute_120,code=sm_120"),
        ((10, 3), NVCC_12_8, "-gencode arch=compute_101,code=sm_101"),  # the same family, a lower number
        ((12, 0), NVCC_12_4, "-gencode arch=compute_90,code=compute_90"),  # PTX
        ((15, 0), NVCC_13_0, "-gencode arch=compute_121,code=compute_121"),
        ((12, 0), (), "-gencode arch=compute_120,code=sm_120"),  # nvcc does not say what it knows
    ],
)
def test_architectures(capability, targets, expected):
    assert architecture_flag(capability, targets) == expected


@pytest.mark.parametrize(
    ("capability", "targets", "expected"),
    [
        ((7, 0), NVCC_12_4, "-gencode arch=compute_70,code=sm_70"),
        ((9, 0), NVCC_13_0, "-gencode arch=compute_90,code=sm_90"),
        ((12, 0), NVCC_13_0, "-gencode arch=compute_120,code=sm_120"),
        ((12, 0), NVCC_12_4, "-gencode arch=compute_90,code=compute_90"),  # PTX
    ],
)
def test_code_for_each_card(capability, targets, expected):
    assert code_flag(capability, targets) == expected


def test_volta_is_gone_from_13():
    assert compiles_for((7, 0), NVCC_12_4)
    assert not compiles_for((7, 0), NVCC_13_0)
    assert compiles_for((15, 0), NVCC_13_0)  # by way of PTX


# What Jittor's core and its softmax ask of the headers, in few lines.
HEADERS = """
#include <cuda_runtime.h>
#include <npp.h>
#include <cub/cub.cuh>
static_assert(NPP_MAX_32S == 2147483647 && NPP_MIN_64S < 0 && NPP_MAX_32U == 4294967295u, "limits");
int unused(cudaDeviceProp& properties) { return properties.computeMode + properties.clockRate; }
__global__ void largest(const float* in, float* out) {
    typedef cub::BlockReduce<float, 128> Reduce;
    __shared__ typename Reduce::TempStorage storage;
    float found = Reduce(storage).Reduce(in[threadIdx.x], cub::Max());
    if (threadIdx.x == 0) out[0] = found;
}
cub::CountingInputIterator<int> counting(0);
"""
KERNEL = "__global__ void twice(float* x) { x[threadIdx.x] *= 2; }"


def compiled(folder: Path, source: str, architecture: int) -> bytes:
    """What nvcc makes of a source with Jittor's flags and the remedies', for sm_<architecture>."""
    found = [one for one in toolkits.find_toolkits() if one.version[0] >= 13 and architecture in one.targets]
    if not found:
        pytest.skip("no nvcc of CUDA 13 or newer is installed")
    (folder / "small.cu").write_text(source)
    cc_flags, nvcc_flags = flags(found[0].version, divmod(architecture, 10), found[0].targets)
    jittors = f"-std=c++14 -arch=compute_{min(architecture, 90)} -code=sm_{min(architecture, 90)}"
    made = "-fatbin --no-compress -o small.fatbin small.cu"
    command = f'"{found[0].nvcc}" {jittors} {cc_flags} {nvcc_flags} {made}'
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / "small.fatbin").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [80, 90, 120])
def test_code_is_made_for_the_card(tmp_path, architecture):
    assert f"sm_{architecture}".encode() in compiled(tmp_path, KERNEL, architecture)


@pytest.mark.slow
def test_jittors_headers_compile(tmp_path):
    assert b"sm_90" in compiled(tmp_path, HEADERS, 90)
