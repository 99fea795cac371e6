import pytest

from pipeline.doctor.answers.references import depthwise_conv

SHAPES = [
    (1, 1, 1, 1, 3),
    (2, 5, 9, 17, 7),
    (3, 14, 14, 33, 7),
    (2, 6, 11, 24, 3),
    (9, 4, 4, 16, 5),
    (2, 3, 11, 5, 9),
    (1, 8, 8, 20, 1),
]


@pytest.mark.parametrize(("batch", "height", "width", "channels", "side"), SHAPES)
def test_depthwise_conv(kernels, check, rng, batch, height, width, channels, side):
    arrays = [
        rng.normal(size=(batch, height, width, channels)),
        rng.normal(size=(side, side, channels)),
        rng.normal(size=channels),
    ]
    check(kernels.depthwise_conv, depthwise_conv, arrays, 1e-5)


@pytest.mark.parametrize("weight", [(2, 2, 3), (3, 5, 3), (3, 3, 4)])
def test_shapes_that_do_not_fit(kernels, jt, weight):
    with pytest.raises(ValueError, match="depthwise_conv: "):
        kernels.depthwise_conv(jt.zeros((1, 4, 4, 3)), jt.zeros(weight), jt.zeros(3))
