import pytest

from pipeline.doctor.answers.references import image_patches


@pytest.mark.parametrize(
    ("shape", "side"), [((1, 1, 3, 3), 3), ((2, 3, 8, 12), 4), ((3, 2, 10, 5), 5), ((2, 3, 32, 16), 16)]
)
def test_values_and_gradients(kernels, check, rng, shape, side):
    check(lambda images: kernels.image_patches(images, side), image_patches(side), [rng.normal(size=shape)])


def test_images_that_are_not_divisible(kernels, jt):
    with pytest.raises(ValueError, match="image of 8 x 9 px is not divisible into patches of 4 px"):
        kernels.image_patches(jt.zeros((1, 3, 8, 9)), 4)
