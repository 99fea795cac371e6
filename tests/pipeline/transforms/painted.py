"""A scene whose pixels encode their origin, and a check that its annotations still agree with them.

Red is 2 x, green 2 y, for pixel (x, y) of an image of at most 128 x 128 pixels; labels number the squares of
a checkerboard; the objects are rectangles.
"""

import numpy as np

from pipeline.transforms.scene import Scene

CELL = 16  # pixels of a square of the checkerboard
RECTANGLES = np.array(
    [[8, 12, 56, 44], [40, 20, 88, 92], [70, 6, 78, 70]], np.float32
)  # x1, y1, x2, y2, edges between pixels


def painted_scene(height: int, width: int, *, masks: bool = True) -> Scene:
    y, x = np.mgrid[:height, :width]
    image = np.stack([2 * x, 2 * y, np.zeros_like(x)], axis=2).astype(np.uint8)
    label_map = (y // CELL * 8 + x // CELL).astype(np.int16)
    covered = [
        (x + 0.5 > x1) & (x + 0.5 < x2) & (y + 0.5 > y1) & (y + 0.5 < y2) for x1, y1, x2, y2 in RECTANGLES
    ]
    return Scene(
        image,
        label_map=label_map,
        boxes=np.minimum(RECTANGLES, [width, height, width, height]).astype(np.float32),
        classes=np.arange(3),
        crowd=np.array([False, True, False]),
        masks=np.stack(covered) if masks else None,
    )


def origins(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """x and y in the original image of the centre of each pixel, each (H, W)."""
    return scene.image[..., 0] / 2 + 0.5, scene.image[..., 1] / 2 + 0.5


def check(scene: Scene, *, tolerance: float = 1.5) -> None:
    """Check that labels, masks and boxes agree with the image, to `tolerance` of its pixels."""
    x, y = origins(scene)
    # If the image is enlarged, its outermost pixels repeat those of the border.
    inner = np.zeros(x.shape, bool)
    inner[2:-2, 2:-2] = True
    _check_labels(scene, x, y, inner, tolerance)
    for index, label in enumerate(scene.classes):
        x1, y1, x2, y2 = RECTANGLES[label]
        depth = np.minimum.reduce([x - x1, x2 - x, y - y1, y2 - y])  # of a pixel inside the rectangle
        if scene.masks is not None:
            sure = inner & (np.abs(depth) > tolerance)
            assert np.array_equal(scene.masks[index][sure], depth[sure] > 0)
        _check_box(scene.boxes[index], depth, inner, tolerance)
    assert np.array_equal(scene.crowd, scene.classes == 1)


def _check_labels(scene, x, y, inner, tolerance):
    low, high = (np.stack([x, y]) + sign * tolerance for sign in (-1, 1))
    sure = inner & (low // CELL == high // CELL).all(axis=0)
    expected = y // CELL * 8 + x // CELL
    assert sure.any()
    assert np.array_equal(scene.label_map[sure], expected[sure])


def _check_box(box, depth, inner, tolerance):
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    within = (x > box[0]) & (y > box[1]) & (x < box[2]) & (y < box[3])
    assert (depth[inner & within] > -tolerance).all()
    assert (depth[inner & ~within] < tolerance).all()
