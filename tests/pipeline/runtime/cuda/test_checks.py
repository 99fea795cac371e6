"""The doctor's lines about CUDA: what was found, and the remedy beside each failure."""

import pytest

from pipeline.runtime.check import Check
from pipeline.runtime.cuda import cards
from pipeline.runtime.cuda.checks import cuda_checks
from pipeline.runtime.cuda.driver import Card, Driver
from tests.pipeline.runtime.cuda.drawn_toolkits import draw_files, draw_system, draw_wheels

HOPPER = Card(0, "H100", (9, 0), 80 * 2**30)
BLACKWELL = Card(1, "RTX 5090", (12, 0), 32 * 2**30)

pytestmark = pytest.mark.usefixtures("nothing_installed")


@pytest.fixture
def machine(monkeypatch):
    """Call it with the driver that is to be found."""

    def machine(found: Driver | None) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)
        monkeypatch.setattr(cards, "driver", lambda visible: found)

    return machine


def lines(device: str) -> dict[str, Check]:
    return {check.name: check for check in cuda_checks(device)}


def test_no_driver_matters_only_where_a_card_was_asked_for(machine):
    machine(None)
    assert [check.ok for check in cuda_checks("cpu")] == [True]
    assert [check.ok for check in cuda_checks("auto")] == [True]
    (check,) = cuda_checks("cuda")
    assert check.ok is False
    assert "driver" in check.remedy


@pytest.mark.parametrize(("device", "ok"), [("auto", None), ("cuda", False)])
def test_a_driver_without_card(machine, device, ok):
    machine(Driver((13, 0), (), "the driver reports CUDA_ERROR_NO_DEVICE"))
    (check,) = cuda_checks(device)
    assert check.ok is ok
    assert "CUDA_ERROR_NO_DEVICE" in check.found
    assert "CUDA_VISIBLE_DEVICES" in check.remedy


@pytest.mark.parametrize(("device", "ok"), [("auto", None), ("cuda", False)])
def test_a_card_without_toolkit(machine, device, ok):
    machine(Driver((13, 0), (HOPPER,)))
    check = lines(device)["CUDA toolkit"]
    assert check.ok is ok
    assert check.remedy == "pip install -e '.[cuda13]'"


def test_all_is_there(machine, tmp_path):
    machine(Driver((13, 0), (HOPPER, BLACKWELL)))
    wheels = draw_wheels(tmp_path / "site")
    draw_files(wheels.parent / "cudnn" / "lib", ("libcudnn.so.9",))
    draw_files(wheels.parent / "cudnn" / "include", ("cudnn.h",))
    found = lines("cuda:1")
    assert found["CUDA driver"].found == "serves CUDA 13.0 at most"
    assert found["GPU"].found == "cuda:0 H100, sm_90, 80 GiB; *cuda:1 RTX 5090, sm_120, 32 GiB"
    assert found["CUDA toolkit"].found == f"13.0.88 (wheels), {wheels / 'bin' / 'nvcc'}"
    assert found["cuBLAS"].found.endswith("libcublas.so.13")
    assert "libcudnn.so.9" in found["cuDNN"].found
    assert all(check.ok for check in found.values())


def test_an_index_that_does_not_exist(machine):
    machine(Driver((13, 0), (HOPPER,)))
    check = lines("cuda:1")["GPU"]
    assert check.ok is False
    assert "there are 1 card(s)" in check.found


def test_a_driver_too_old_for_the_toolkit(machine, tmp_path):
    machine(Driver((12, 4), (HOPPER,)))
    draw_wheels(tmp_path / "site")
    check = lines("cuda")["CUDA toolkit"]
    assert check.ok is False
    assert "12.4 at most" in check.found
    assert "update the driver" in check.remedy


def test_a_card_newer_than_the_toolkit(machine, tmp_path):
    machine(Driver((13, 0), (BLACKWELL,)))
    draw_system(tmp_path / "usr-local" / "cuda-12.4", "12.4.131")
    check = lines("cuda")["CUDA toolkit"]
    assert check.ok is None
    assert "does not know sm_120" in check.found
    assert "newer CUDA toolkit" in check.remedy


def test_a_toolkit_newer_than_all_that_was_tried(machine, tmp_path):
    machine(Driver((14, 1), (HOPPER,)))
    draw_system(tmp_path / "usr-local" / "cuda-14.1", "14.1.3")
    check = lines("cuda")["CUDA toolkit"]
    assert check.ok is None
    assert "newer than all that was tried" in check.found


def test_no_cudnn_is_a_warning(machine, tmp_path):
    machine(Driver((13, 0), (HOPPER,)))
    draw_wheels(tmp_path / "site")
    assert lines("cuda")["cuDNN"].ok is None
