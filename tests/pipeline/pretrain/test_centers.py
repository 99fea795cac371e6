import numpy as np
import pytest


def test_a_centre_moves_by_its_momentum(jt):
    from pipeline.pretrain.centers import updated_center

    moved = updated_center(
        jt.array(np.array([1.0, 0.0], np.float32)), jt.array(np.array([0.0, 2.0], np.float32)), 0.9
    )
    assert moved.numpy() == pytest.approx([0.9, 0.2])
    assert not moved.requires_grad
