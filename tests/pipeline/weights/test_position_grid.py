import numpy as np
import pytest

from pipeline.weights.position_grid import grid_resampling


def test_equal_grids_give_the_identity():
    assert np.array_equal(grid_resampling((3, 5), (3, 5)), np.eye(15, dtype=np.float32))


def test_a_constant_stays_constant():
    assert grid_resampling((14, 14), (6, 9)).sum(axis=1) == pytest.approx(np.ones(54), abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new"), [((14, 14), (32, 32)), ((14, 14), (6, 6)), ((4, 7), (9, 3)), ((2, 2), (5, 5))]
)
def test_equals_bicubic_interpolation_in_torch(old, new):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    table = np.random.default_rng(0).normal(size=(old[0] * old[1], 8))
    image = torch.tensor(table).reshape(1, *old, 8).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(image, size=new, mode="bicubic", align_corners=False)
    found = grid_resampling(old, new).astype(np.float64) @ table
    assert np.abs(found - expected.permute(0, 2, 3, 1).reshape(-1, 8).numpy()).max() < 1e-5
