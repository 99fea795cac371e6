import numpy as np
import pytest

SHAPES = [(3, 5), (17,), (1,), (2, 3, 4), (9001,)]


def drawn(rng):
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def test_ema_update(kernels, jt, rng):
    from pipeline.kernels.ema import ema_update

    teacher, student = drawn(rng), drawn(rng)
    targets = [jt.array(a).stop_grad() for a in teacher]
    for momentum in (0.9, 0.99):
        ema_update(targets, [jt.array(a) for a in student], momentum)
        teacher = [
            momentum * t + (1 - momentum) * s.astype(np.float64)
            for t, s in zip(teacher, student, strict=True)
        ]
    for target, expected in zip(targets, teacher, strict=True):
        np.testing.assert_allclose(target.numpy(), expected, rtol=1e-6, atol=1e-7)
    assert all(target.is_stop_grad() for target in targets)


def test_ema_update_of_what_does_not_fit(jt):
    from pipeline.kernels.ema import ema_update

    with pytest.raises(ValueError, match="1 teacher tensors, 2 student tensors"):
        ema_update([jt.ones(3)], [jt.ones(3), jt.ones(3)], 0.9)
    with pytest.raises(ValueError, match="tensor 0: "):
        ema_update([jt.ones(3)], [jt.ones(4)], 0.9)
