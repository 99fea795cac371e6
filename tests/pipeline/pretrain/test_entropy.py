import math

import numpy as np
import pytest

from pipeline.pretrain.entropy import mean_entropy


def test_entropy_in_nats():
    assert mean_entropy(np.array([[0.25] * 4, [1.0, 0, 0, 0]])) == pytest.approx(math.log(4) / 2)
