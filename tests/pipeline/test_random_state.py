import random

import numpy as np
import pytest

from pipeline.random_state import seed_everything


def draws() -> list[float]:
    import jittor

    return [*jittor.rand(4).numpy().tolist(), float(np.random.rand()), random.random()]  # noqa: NPY002


def test_a_seed_fixes_every_generator(jt):
    seed_everything(7)
    first = draws()
    seed_everything(7)
    assert draws() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=str(seed)):
        seed_everything(seed)
