"""Probes as PyTorch counts their products."""

import pytest

from pipeline.costs.probes import search_operations, sweep_operations
from tests.pipeline.costs.torch_counter import counted


def test_search():
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    queries, bank = torch.zeros(3, 5), torch.zeros(7, 5)
    assert search_operations(3, 7, 5) == counted(lambda: queries @ bank.T)


def test_sweep():
    """Two epochs of 8 images, each rate a linear layer of 4 classes over 5 channels."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    features = torch.zeros(8, 5)
    rates = [torch.zeros(4, 5, requires_grad=True) for _ in range(3)]

    def run():
        for _ in range(2):
            for weight in rates:
                torch.nn.functional.linear(features, weight).sum().backward()

    assert sweep_operations(8, 5, num_classes=4, num_rates=3, epochs=2) == counted(run)
