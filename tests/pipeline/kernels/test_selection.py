import numpy as np
import pytest


@pytest.fixture
def without_library(jt, monkeypatch):
    """The kernels' state as in a process where nothing has been built."""
    from pipeline.kernels import library, selection

    for name, value in (("tried", False), ("library", None), ("problem", None)):
        monkeypatch.setattr(library._State, name, value)
    monkeypatch.setattr(selection._State, "note", None)
    return library


def test_a_choice_that_does_not_exist(jt):
    from pipeline import kernels

    with pytest.raises(ValueError, match="'fast'; expected one of fused, plain"):
        kernels.use("fast")


def test_plain_is_chosen_and_left(jt):
    from pipeline import kernels

    before = kernels.current()
    kernels.use("plain")
    assert kernels.current() == "plain"
    kernels.use("fused")
    assert kernels.current() == before


def test_a_library_that_cannot_be_built_is_noted_once(without_library, monkeypatch, jt):
    from pipeline import kernels
    from pipeline.native.build import BuildError

    def fail(*args, **kwargs):
        raise BuildError("no compiler")

    monkeypatch.setattr(without_library, "build_processor_library", fail)
    assert kernels.current() == "plain"
    found = kernels.linear(jt.ones((1, 2)), jt.ones((3, 2)), None)
    assert np.array_equal(found.numpy(), np.full((1, 3), 2))
    assert "no compiler" in kernels.note()
    assert kernels.note() is None


def test_without_onednn_only_the_products_are_plain(without_library, monkeypatch, jt):
    from pipeline import kernels
    from pipeline.kernels import selection
    from pipeline.native import processor_library

    monkeypatch.setattr(processor_library, "onednn_paths", lambda: None)
    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    assert not selection.fused_matmul()
    assert "oneDNN is not installed" in kernels.note()
    found = kernels.linear(jt.ones((1, 2)), jt.ones((3, 2)), jt.ones(3))
    assert np.array_equal(found.numpy(), np.full((1, 3), 3))


def test_a_declaration_names_no_parameters():
    from pipeline.kernels import library

    expected = 'extern "C" void hssl_ema(long, const long*, float* const*, const float* const*, double);'
    assert library.declaration("ema") == expected
    with pytest.raises(KeyError, match="hssl_nothing"):
        library.declaration("hssl_nothing")
