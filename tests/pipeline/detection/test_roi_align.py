import math

import numpy as np
import pytest

from tests.level_maps import levels_of

STRIDES = (4, 8, 16, 32)
FINEST = 28.0


@pytest.fixture
def roi_align(jt):
    from pipeline.detection.roi_align import RoiAlign

    def pooled(maps, strides, boxes, image_index, size, finest, sampling=2):
        pool = RoiAlign(levels_of(maps), strides, finest)
        return pool(boxes, image_index, size, sampling, channels_first=True)

    return pooled


@pytest.mark.parametrize(("size", "sampling"), [(7, 2), (5, 3), (1, 1)])
def test_compiled_cells_are_those_of_numpy(jt, rng, random_boxes, size, sampling):
    from pipeline.detection.box_library import function_of_boxes
    from pipeline.detection.roi_align import RoiAlign

    if function_of_boxes("hssl_roi_cells") is None:
        pytest.skip("no C++ compiler here")
    boxes = np.concatenate(
        [
            random_boxes(40, 64),
            random_boxes(40, 190) - 60,
            np.array([[-300, -300, -200, -200], [5, 5, 5, 5], [20, 30, 10, 50], [np.nan, 0, 9, 9]]),
            np.array([[0, 0, side, side] for side in (55.999, 56, 112, 224)]),  # where levels begin
        ]
    ).astype(np.float32)
    images = rng.integers(0, 2, len(boxes))
    pool = RoiAlign(levels_of([jt.array(array) for array in random_maps(rng)]), STRIDES, FINEST)
    found, expected = (of(boxes, images, size, sampling) for of in (pool._taps, pool._taps_by_numpy))
    for ours, other in zip(found, expected, strict=True):
        assert ours.dtype == other.dtype
        assert np.array_equal(ours, other)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")


def random_maps(rng, batch=2, channels=3, height=64, width=96):
    shapes = [(batch, channels, height // stride, width // stride) for stride in STRIDES]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def oracle(torch, maps, boxes, image_index, size, sampling):
    """Box by box through PyTorch's grid_sample; levels by the formula."""
    rois = []
    for (x1, y1, x2, y2), image in zip(boxes.astype(np.float64).tolist(), image_index, strict=True):
        side = math.sqrt(max(x2 - x1, 0) * max(y2 - y1, 0))
        level = min(max(math.floor(math.log2(side / FINEST)) if side else 0, 0), len(maps) - 1)
        source, stride = maps[level][image][None], STRIDES[level]
        height, width = source.shape[2:]
        offsets = (torch.arange(size * sampling, dtype=torch.float64) + 0.5) / (size * sampling)
        x, y = (x1 + offsets * (x2 - x1)) / stride, (y1 + offsets * (y2 - y1)) / stride
        grid_y, grid_x = torch.meshgrid(2 * y / height - 1, 2 * x / width - 1, indexing="ij")
        grid = torch.stack([grid_x, grid_y], dim=-1)[None]
        samples = torch.nn.functional.grid_sample(source, grid, padding_mode="border", align_corners=False)
        near_y, near_x = (y >= -0.5) & (y <= height + 0.5), (x >= -0.5) & (x <= width + 0.5)
        samples = samples * (near_y[:, None] & near_x[None]).double()
        rois.append(torch.nn.functional.avg_pool2d(samples, sampling)[0])
    return torch.stack(rois)


def test_a_linear_ramp_gives_exact_bin_centres(jt, roi_align):
    """T20: no half-pixel shift, on every level."""
    maps = []
    for stride in STRIDES:
        y, x = (np.mgrid[: 128 // stride, : 192 // stride] + 0.5) * stride
        maps.append(jt.array(np.stack([x, y])[None].astype(np.float32)))
    boxes = np.array(
        [[20, 20, 41, 44.5], [30, 20, 90, 75], [17.25, 19, 135, 108], [16, 16, 176, 112]], np.float32
    )
    pooled = roi_align(maps, STRIDES, boxes, np.zeros(4, int), 7, 20.0).numpy()
    for (x1, y1, x2, y2), (x, y) in zip(boxes, pooled, strict=True):
        centres = (np.arange(7) + 0.5) / 7
        assert np.abs(x - (x1 + centres * (x2 - x1))).max() < 1e-4
        assert np.abs(y - (y1 + centres * (y2 - y1))[:, None]).max() < 1e-4


@pytest.mark.parametrize(("size", "sampling"), [(7, 2), (5, 3), (1, 1)])
def test_values_and_gradients(jt, roi_align, torch, rng, random_boxes, size, sampling):
    """T20: equal to an independent sampler, with its gradient, for boxes in, across and beyond the border."""
    arrays = random_maps(rng)
    boxes = np.concatenate(
        [
            random_boxes(12, 64),
            random_boxes(12, 190) - 60,
            [[-300, -300, -200, -200], [90, 10, 200, 30], [5, 5, 5, 5], [0, 0, 96, 64], [20, 30, 20, 50]],
        ]
    ).astype(np.float32)
    images = rng.integers(0, 2, len(boxes))
    weights = rng.normal(size=(len(boxes), 3, size, size)).astype(np.float32)

    exact = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]
    expected = oracle(torch, exact, boxes, images.tolist(), size, sampling)
    (expected * torch.tensor(weights)).sum().backward()

    maps = [jt.array(array) for array in arrays]
    pooled = roi_align(maps, STRIDES, boxes, images, size, FINEST, sampling)
    gradients = jt.grad((pooled * jt.array(weights)).sum(), maps)
    assert np.abs(pooled.numpy() - expected.detach().numpy()).max() < 1e-5
    for gradient, source in zip(gradients, exact, strict=True):
        slopes = np.zeros(source.shape) if source.grad is None else source.grad.numpy()  # None: no box here
        assert np.abs(gradient.numpy() - slopes).max() < 2e-5


def test_several_poolings_of_the_same_maps_add_their_gradients(jt, roi_align, rng, random_boxes):
    from pipeline.detection.roi_align import RoiAlign

    arrays, boxes, images = random_maps(rng), random_boxes(6, 60), rng.integers(0, 2, 6)
    together, apart = ([jt.array(array) for array in arrays] for _ in range(2))
    pool = RoiAlign(levels_of(together), STRIDES, FINEST)
    parts = [
        (pool(boxes[part], images[part], size, channels_first=True), part, size)
        for part, size in ((slice(0, 4), 7), (slice(2, 6), 14))
    ]
    alone = [roi_align(apart, STRIDES, boxes[part], images[part], size, FINEST) for _, part, size in parts]
    for (found, _, _), expected in zip(parts, alone, strict=True):
        assert np.array_equal(found.numpy(), expected.numpy())
    slopes = jt.grad(sum((found**2).sum() for found, _, _ in parts), together)
    expected = jt.grad(sum((each**2).sum() for each in alone), apart)
    for ours, theirs in zip(slopes, expected, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_gradient_by_finite_differences(jt, roi_align, rng, random_boxes):
    """T20: the sum is linear in the maps, so a step of any size gives the slope."""
    arrays, boxes, images = random_maps(rng), random_boxes(20, 64), rng.integers(0, 2, 20)
    weights = jt.array(rng.normal(size=(20, 3, 7, 7)).astype(np.float32))

    def value(sources):
        return (roi_align(sources, STRIDES, boxes, images, 7, FINEST) * weights).sum()

    maps = [jt.array(array) for array in arrays]
    gradients = [gradient.numpy() for gradient in jt.grad(value(maps), maps)]
    directions = random_maps(rng)
    moved = [
        value([jt.array(a + sign * d) for a, d in zip(arrays, directions, strict=True)]).item()
        for sign in (1, -1)
    ]
    slope = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx((moved[0] - moved[1]) / 2, rel=1e-4, abs=1e-3)


def test_no_boxes(jt, roi_align, rng):
    """T20: no box at all gives nothing, and a zero gradient."""
    maps = [jt.array(array) for array in random_maps(rng)]
    pooled = roi_align(maps, STRIDES, np.zeros((0, 4), np.float32), np.zeros(0, int), 7, FINEST)
    assert list(pooled.shape) == [0, 3, 7, 7]
    total = pooled.sum() + sum((feature_map * 0).sum() for feature_map in maps)
    assert all((gradient.numpy() == 0).all() for gradient in jt.grad(total, maps))


def test_boxes_that_are_not_numbers_read_nothing(jt, roi_align, rng):
    maps = [jt.array(array) for array in random_maps(rng)]
    boxes = np.array([[np.nan] * 4, [0, 0, np.inf, 10], [0, 0, 10, 10]], np.float32)
    pooled = roi_align(maps, STRIDES, boxes, np.zeros(3, int), 2, FINEST).numpy()
    assert np.isfinite(pooled).all()
    assert (pooled[0] == 0).all()


def test_a_scatter_is_repeatable(jt, roi_align, rng, random_boxes):
    boxes, images = random_boxes(200, 96), rng.integers(0, 2, 200)
    arrays = random_maps(rng)
    gradients = []
    for _ in range(2):
        maps = [jt.array(array) for array in arrays]
        loss = (roi_align(maps, STRIDES, boxes, images, 7, FINEST) ** 2).sum()
        gradients.append([gradient.numpy() for gradient in jt.grad(loss, maps)])
    assert all(np.array_equal(first, second) for first, second in zip(*gradients, strict=True))


def test_level_boundaries(jt):
    """T20: a box of exactly twice the finest scale is on the second level, below it on the first."""
    from pipeline.detection.roi_align import roi_levels

    sides = np.array([0, 1, 56, 111.9, 112, 223.9, 224, 447.9, 448, 2000], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    assert roi_levels(boxes, 56, 4).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    wide = np.array([[0, 0, 448, 28], [0, 0, 448, 27.9]], np.float32)  # of 112 x 112 pixels, and less
    assert roi_levels(wide, 56, 4).tolist() == [1, 0]
    assert roi_levels(wide, 56, 1).tolist() == [0, 0]
