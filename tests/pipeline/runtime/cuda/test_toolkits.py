"""What is found in drawn folder trees."""

import pytest

from pipeline.runtime.cuda.toolkits import cudnn_major, find_toolkits, parse_version, wheel_roots
from tests.pipeline.runtime.cuda.drawn_toolkits import draw_files, draw_nvcc, draw_system, draw_wheels

_WHEEL_ROOTS = wheel_roots

pytestmark = pytest.mark.usefixtures("nothing_installed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cuda compilation tools, release 11.8, V11.8.89\nBuild cuda_11.8", ((11, 8), "11.8.89")),
        ("Cuda compilation tools, release 12.4, V12.4.131", ((12, 4), "12.4.131")),
        ("Cuda compilation tools, release 13.0, V13.0.88", ((13, 0), "13.0.88")),
        ("nvcc: command not found", None),
        ("", None),
    ],
)
def test_versions_are_parsed(text, expected):
    assert parse_version(text) == expected


def test_nothing_is_found_where_nothing_is():
    assert find_toolkits() == []


@pytest.mark.parametrize("release", ["11.8.89", "12.4.131", "13.0.88"])
def test_a_toolkit_of_the_system_is_whole(tmp_path, monkeypatch, release):
    home = draw_system(tmp_path / "cuda", release)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")
    (found,) = find_toolkits()
    assert found.source == "system"
    assert found.release == release
    assert found.version == tuple(map(int, release.split(".")[:2]))
    assert found.missing == ()
    assert found.library("cublas").is_relative_to(home)
    assert found.library("cublas").name.startswith("libcublas.so")  # and not cublasLt's
    assert 90 in found.targets


def test_versions_beside_each_other_come_newest_first(tmp_path):
    for version in ("9.2", "11.8", "12.4"):
        draw_system(tmp_path / "usr-local" / f"cuda-{version}", f"{version}.1")
    assert [toolkit.version for toolkit in find_toolkits()] == [(12, 4), (11, 8), (9, 2)]


def test_what_cuda_home_names_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{draw_system(tmp_path / 'on-path', '12.4.131') / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_HOME", str(draw_system(tmp_path / "chosen", "11.8.89")))
    assert [toolkit.version for toolkit in find_toolkits()] == [(11, 8), (12, 4)]


def test_wheels_are_looked_for_where_python_imports_from(tmp_path, monkeypatch):
    home = draw_wheels(tmp_path / "packages")
    assert home.parent not in _WHEEL_ROOTS()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    assert _WHEEL_ROOTS()[0] == home.parent


def test_wheels_come_after_the_system(tmp_path):
    draw_wheels(tmp_path / "site")
    draw_system(tmp_path / "usr-local" / "cuda-12.4", "12.4.131")
    assert [toolkit.source for toolkit in find_toolkits()] == ["system", "wheels"]


def test_wheels_on_path_are_no_toolkit_of_the_system(tmp_path, monkeypatch):
    home = draw_wheels(tmp_path / "site")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")
    (found,) = find_toolkits()
    assert found.source == "wheels"
    assert found.missing == ()


def test_a_script_on_path_stands_for_the_compiler_that_it_runs(tmp_path, monkeypatch):
    home = draw_system(tmp_path / "elsewhere" / "cuda", "13.0.88")
    script = tmp_path / "local" / "bin" / "nvcc"
    script.parent.mkdir(parents=True)
    real = home / "bin" / "nvcc"
    script.write_text(
        f'#!/bin/sh\n[ "$1" != --dryrun ] || echo "#$ TOP={home}/bin/.." >&2\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    (found,) = find_toolkits()
    assert found.missing == ()
    assert found.library("cudart").is_relative_to(home)


def test_half_a_toolkit_names_what_is_missing(tmp_path):
    home = draw_wheels(tmp_path / "site", libraries=("cudart", "curand"))
    (home / "nvvm" / "bin" / "cicc").unlink()
    (home / "include" / "cublas_v2.h").unlink()
    (home / "include" / "cccl" / "cub" / "cub.cuh").unlink()
    (found,) = find_toolkits()
    assert found.missing == (
        "libcublas", "libcublasLt", "cublas_v2.h", "cub/cub.cuh", "nvvm/bin/cicc (nvidia-nvvm)",
    )  # fmt: skip


def test_a_compiler_that_does_not_run_is_no_toolkit(tmp_path, monkeypatch):
    nvcc = draw_nvcc(tmp_path / "bin" / "nvcc", "13.0.88")
    nvcc.write_text("#!/bin/sh\necho broken >&2\nexit 127\n")
    monkeypatch.setenv("PATH", f"{nvcc.parent}:/usr/bin:/bin")
    assert find_toolkits() == []


def test_the_system_may_have_its_libraries_from_wheels_of_the_same_major_version(tmp_path):
    wheels = draw_wheels(tmp_path / "site")
    draw_system(tmp_path / "usr-local" / "cuda-13.0", "13.0.88", libraries=("cudart",))
    draw_system(tmp_path / "usr-local" / "cuda-12.4", "12.4.131", libraries=("cudart",))
    newer, older, _ = find_toolkits()
    assert newer.missing == ()
    assert newer.library("cublas").is_relative_to(wheels)
    assert not newer.library("cudart").is_relative_to(wheels)
    assert older.missing == ("libcublas", "libcublasLt", "libcurand")


def test_cub_from_a_wheel_lies_where_a_compiler_of_the_system_looks(tmp_path):
    wheels = draw_wheels(tmp_path / "site")
    home = draw_system(tmp_path / "usr-local" / "cuda-13.0", "13.0.88")
    newer, _ = find_toolkits()
    assert wheels / "include" / "cccl" not in newer.headers
    (home / "include" / "cccl" / "cub" / "cub.cuh").unlink()
    newer, own = find_toolkits()
    assert wheels / "include" / "cccl" in newer.headers
    assert wheels / "include" / "cccl" not in own.headers
    assert newer.missing == own.missing == ()


def test_wheels_for_cuda_12_go_with_a_compiler_of_12(tmp_path):
    for major, release in ((12, "12.4.131"), (11, "11.8.89")):
        draw_system(tmp_path / "usr-local" / f"cuda-{major}", release, libraries=("cudart",))
    nvidia = tmp_path / "site" / "nvidia"
    draw_files(nvidia / "cublas" / "lib", ("libcublas.so.12", "libcublasLt.so.12"))
    draw_files(nvidia / "curand" / "lib", ("libcurand.so.10",))
    twelve, eleven = find_toolkits()
    assert twelve.missing == ()
    assert eleven.missing == ("libcublas", "libcublasLt", "libcurand")


def test_cudnn_counts_only_with_its_header(tmp_path):
    draw_wheels(tmp_path / "site")
    cudnn = tmp_path / "site" / "nvidia" / "cudnn"
    draw_files(cudnn / "lib", ("libcudnn.so.9", "libcudnn_ops.so.9"))
    (found,) = find_toolkits()
    assert cudnn_major(found) is None
    draw_files(cudnn / "include", ("cudnn.h",))
    (found,) = find_toolkits()
    assert cudnn_major(found) == 9
    assert cudnn / "lib" / "libcudnn_ops.so.9" in found.libraries
