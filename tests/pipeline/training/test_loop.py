"""What the loop decides by itself; its training and resuming are tested with each kind of training."""

from types import SimpleNamespace

import pytest

from pipeline.config.stages import RuntimeConfig


@pytest.mark.parametrize(
    ("use_cuda", "given", "expected"),
    [
        (0, {"threads": 16}, 2),
        (1, {"threads": 16}, 8),
        (1, {"threads": 4}, 4),
        (1, {"threads": 1}, 2),
        (1, {"threads": 16, "loader_threads": 0}, 0),
        (0, {"loader_threads": 5}, 5),
    ],
)
def test_threads_that_load(jt, monkeypatch, use_cuda, given, expected):
    from pipeline.training import loop

    monkeypatch.setattr(loop, "jt", SimpleNamespace(flags=SimpleNamespace(use_cuda=use_cuda)))
    assert loop.loader_threads(RuntimeConfig(**given)) == expected
