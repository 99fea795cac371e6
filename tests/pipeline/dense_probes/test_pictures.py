import numpy as np
from PIL import Image

from pipeline.dense_probes.contact_sheet import GAP, HEADER, PANEL
from pipeline.dense_probes.pictures import draw_pca


def test_patches_of_one_kind_have_one_colour_and_the_inner_ones_pass_the_gate(rng, tmp_path):
    inside = np.zeros((2, 4, 4), bool)
    inside[0, 1:3, 1:3] = inside[1, 1, 2] = True
    tokens = np.where(inside[..., None], 3.0, -1.0) * np.eye(1, 5) + 1e-3 * rng.normal(size=(2, 4, 4, 5))
    images = [rng.integers(0, 256, size, np.uint8) for size in ((20, 30, 3), (40, 40, 3))]
    draw_pca(tmp_path / "pca.png", images, tokens)
    sheet = np.asarray(Image.open(tmp_path / "pca.png")).astype(int)
    step = PANEL + GAP
    assert sheet.shape == (HEADER + 2 * step - GAP, 3 * step - GAP, 3)
    for i in range(2):
        gated = sheet[HEADER + i * step : HEADER + i * step + PANEL, 2 * step : 2 * step + PANEL]
        shown = gated[PANEL // 8 :: PANEL // 4, PANEL // 8 :: PANEL // 4].any(axis=2)
        np.testing.assert_array_equal(shown, inside[i])
