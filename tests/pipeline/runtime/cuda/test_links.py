"""The folder of links is whole, stays what it is, and can be made by many at once."""

import multiprocessing
import os
import subprocess
from pathlib import Path

import pytest

from pipeline.runtime.cuda.links import Toolkit, linked
from pipeline.runtime.cuda.toolkits import find_toolkits
from tests.pipeline.runtime.cuda.drawn_toolkits import draw_files, draw_system, draw_wheels

pytestmark = pytest.mark.usefixtures("nothing_installed")


@pytest.fixture
def wheels(tmp_path) -> Path:
    return draw_wheels(tmp_path / "site")


def made() -> Toolkit:
    return linked(find_toolkits()[0])


def test_what_jittor_looks_for_lies_where_it_looks(wheels):
    toolkit = made()
    assert toolkit.nvcc == toolkit.folder / "bin" / "nvcc"
    assert not toolkit.nvcc.is_symlink()  # Jittor would follow it out of the folder
    output = subprocess.run([toolkit.nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    assert "V13.0.88" in output
    for name in ("libcudart.so", "libcublas.so", "libcublas.so.13", "libcublasLt.so", "libcurand.so"):
        assert (toolkit.libraries / name).is_file(), name
    (include,) = toolkit.include_folders
    assert (include / "cuda_runtime.h").is_file()
    assert (include / "crt" / "host_config.h").is_file()
    assert (toolkit.version, toolkit.cudnn) == ((13, 0), None)


def test_cudnn_9_is_there_under_the_names_of_8(wheels, tmp_path):
    cudnn = tmp_path / "site" / "nvidia" / "cudnn"
    draw_files(cudnn / "lib", ("libcudnn.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9"))
    draw_files(cudnn / "include", ("cudnn.h",))
    toolkit = made()
    for name in ("libcudnn_ops_infer.so", "libcudnn_ops_train.so", "libcudnn_cnn_infer.so", "libcudnn.so"):
        assert (toolkit.libraries / name).is_file(), name
    assert toolkit.cudnn == 9


def test_a_second_time_changes_nothing(wheels):
    first = made()
    before = {path: path.lstat().st_mtime_ns for path in first.folder.rglob("*")}
    assert made() == first
    assert {path: path.lstat().st_mtime_ns for path in first.folder.rglob("*")} == before


def test_another_library_gives_another_folder(wheels):
    first = made()
    (wheels / "lib" / "libcublas.so.13").write_text("upgraded")
    second = made()
    assert second.folder != first.folder
    assert (second.libraries / "libcublas.so").read_text() == "upgraded"


def test_another_compiler_gives_another_folder(wheels, tmp_path):
    first = made()
    draw_wheels(tmp_path / "site", release="13.0.99")
    os.utime(wheels / "bin" / "nvcc", (1, 1))  # an installer sets the time of the archive
    assert made().folder != first.folder


def test_a_link_that_led_elsewhere_gives_another_folder(tmp_path):
    homes = [draw_system(tmp_path / name, "12.4.131") for name in ("one", "two")]
    current = tmp_path / "usr-local" / "cuda-current"
    current.parent.mkdir()
    folders = []
    for home in homes:
        current.unlink(missing_ok=True)
        current.symlink_to(home)
        folders.append(made().folder)
    assert folders[0] != folders[1]


def _make_in_child(_: int) -> str:
    return str(made().folder)


def test_many_at_once_make_one_folder(wheels):
    with multiprocessing.get_context("fork").Pool(8) as pool:
        folders = set(pool.map(_make_in_child, range(16), chunksize=1))
    assert len(folders) == 1
    (folder,) = map(Path, folders)
    assert (folder / "bin" / "nvcc").is_file()
    assert list(folder.parent.iterdir()) == [folder]  # nothing half-made is left


def test_a_folder_with_spaces_works(tmp_path, monkeypatch):
    home = draw_system(tmp_path / "with a space", "12.4.131")
    monkeypatch.setenv("CUDA_HOME", str(home))
    output = subprocess.run([made().nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    assert "V12.4.131" in output
