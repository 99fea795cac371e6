import numpy as np
import pytest

from pipeline.doctor.answers.references import tokens


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (2, 9, 8), (130, 6, 12)])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_values_and_gradients(kernels, jt, check, rng, shape, share):
    batch, num_patches, dim = shape
    mask = rng.random((batch, num_patches)) < share
    arrays = [rng.normal(size=s) for s in (shape, (1, dim), (1 + num_patches, dim), (1, dim))]

    def run(patches, cls_token, positions, mask_token):
        return kernels.tokens(patches, cls_token, positions, jt.array(mask), mask_token)

    check(run, tokens(mask), arrays)


def test_without_mask(kernels, check, rng):
    arrays = [rng.normal(size=s) for s in ((2, 3, 4), (1, 4), (4, 4))]
    mask = np.zeros((2, 3), bool)
    check(kernels.tokens, lambda *given: tokens(mask)(*given, np.zeros((1, 4))), arrays)


def test_shapes_that_do_not_fit(kernels, jt):
    with pytest.raises(ValueError, match=r"tokens: patches \(2, 3, 4\), positions \(3, 4\)"):
        kernels.tokens(jt.zeros((2, 3, 4)), jt.zeros((1, 4)), jt.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"mask \(2, 2\)"):
        kernels.tokens(
            jt.zeros((2, 3, 4)), jt.zeros((1, 4)), jt.zeros((4, 4)), jt.zeros((2, 2)), jt.zeros((1, 4))
        )
