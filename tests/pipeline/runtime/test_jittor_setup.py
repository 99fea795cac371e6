"""The device and the tools that are chosen, and the environment in which Jittor finds them."""

import os

import pytest

from pipeline.runtime import jittor_setup
from pipeline.runtime.cuda import cards, setup
from pipeline.runtime.cuda.driver import Card, Driver
from pipeline.runtime.cuda.links import Toolkit
from pipeline.runtime.cuda.setup import CudaSetup
from pipeline.runtime.jittor_setup import JittorStartError
from pipeline.runtime.onednn import onednn_paths

CC_FLAGS, CONV_OPT = "cc_flags", "conv_opt"  # Jittor's own names


def test_no_compiler_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("cc_path", raising=False)
    with pytest.raises(JittorStartError, match="apt-get install"):
        jittor_setup._find_compiler()


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr(cards, "driver", lambda visible: None)


@pytest.fixture
def card_without_toolkit(monkeypatch):
    card = Card(0, "H100", (9, 0), 2**36)
    monkeypatch.setattr(cards, "driver", lambda visible: Driver((13, 0), (card,)))
    monkeypatch.setattr(setup, "find_toolkits", lambda: [])


@pytest.mark.usefixtures("no_driver")
def test_cuda_without_gpu_is_an_error_and_auto_takes_the_cpu():
    for device in ("cuda", "cuda:1"):
        with pytest.raises(JittorStartError, match=f"device = '{device}', but no CUDA driver"):
            jittor_setup._choose_device(device, "g++")
    assert jittor_setup._choose_device("auto", "g++") == (None, ())


@pytest.mark.usefixtures("card_without_toolkit")
def test_a_gpu_without_toolkit_is_noted():
    with pytest.raises(JittorStartError, match="cuda13"):
        jittor_setup._choose_device("cuda", "g++")
    cuda, notes = jittor_setup._choose_device("auto", "g++")
    assert cuda is None
    assert "no CUDA toolkit" in notes[0]
    assert "running on the CPU" in notes[0]


@pytest.fixture
def cuda(monkeypatch, tmp_path) -> CudaSetup:
    """A card and a toolkit, and an environment in which the user sets flags of their own."""
    monkeypatch.setenv("HSSL_ENVIRONMENT_BEFORE", "{}")
    for name in ("NVCC_APPEND_FLAGS", CONV_OPT, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv(CC_FLAGS, "-Dusers")
    card = Card(1, "RTX 5090", (12, 0), 2**35)
    monkeypatch.setattr(cards, "driver", lambda visible: Driver((13, 0), (card, card)))
    toolkit = Toolkit(tmp_path / "nvcc", (13, 0), (), tmp_path, "13.0.88", tmp_path, (120,), None)
    return CudaSetup(card, toolkit, "-Dours", "-std=c++17")


def test_flags_are_added_once_and_taken_back(cuda):
    for _ in range(2):  # the second time is a child's
        jittor_setup._set_cuda_environment(cuda)
        assert os.environ[CC_FLAGS] == "-Dusers -Dours"
        assert os.environ["NVCC_APPEND_FLAGS"] == "-std=c++17"
        assert os.environ[CONV_OPT] == "1"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    jittor_setup._set_cuda_environment(None)
    assert os.environ[CC_FLAGS] == "-Dusers"
    assert not {"NVCC_APPEND_FLAGS", CONV_OPT} & set(os.environ)


def test_missing_onednn_is_a_note(monkeypatch):
    monkeypatch.setattr(jittor_setup, "onednn_paths", lambda: None)
    onednn, notes = jittor_setup._choose_onednn()
    assert onednn is None
    assert "onednn-cpu-gomp" in notes[0]


def test_a_onednn_that_cannot_be_loaded_is_a_note(tmp_path, monkeypatch):
    (tmp_path / "libdnnl.so.2").write_text("no library")
    monkeypatch.setattr(jittor_setup, "onednn_paths", lambda: (tmp_path, tmp_path / "libdnnl.so.2"))
    onednn, notes = jittor_setup._choose_onednn()
    assert onednn is None
    assert "cannot be loaded" in notes[0]


def test_onednn_paths_hold_header_and_library():
    found = onednn_paths()
    if found is None:
        pytest.skip("oneDNN's wheels are not installed")
    include, library = found
    assert (include / "dnnl.hpp").is_file()
    assert library.is_file()
