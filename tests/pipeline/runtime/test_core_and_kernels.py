"""Kernels that are compiled beside Jittor's core."""

from types import SimpleNamespace

import pytest

from pipeline.native.build import BuildError
from pipeline.runtime import core_and_kernels
from pipeline.runtime.cuda.driver import Card


@pytest.mark.parametrize("on_card", [False, True])
def test_kernels_that_do_not_compile_meanwhile_are_no_error_yet(on_card, monkeypatch):
    asked = []

    def build(*arguments):
        asked.append(arguments)
        raise BuildError("kernels: no C++ compiler found")

    monkeypatch.setattr(
        core_and_kernels, "build_device_library" if on_card else "build_processor_library", build
    )
    card = Card(index=0, name="card", capability=(9, 0), memory_bytes=2**30)
    cuda = SimpleNamespace(card=card, toolkit="toolkit") if on_card else None
    core_and_kernels._compile_kernels(cuda)
    assert asked == [((9, 0), "toolkit") if on_card else ()]
