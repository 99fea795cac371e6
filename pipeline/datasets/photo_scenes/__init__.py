"""The embedded data set, drawn from photographs that installed packages ship; reproducible from a seed."""

import numpy as np

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photo_scenes.card import card_markdown, write_card
from pipeline.datasets.photo_scenes.drawn import DrawnScenes
from pipeline.datasets.photo_scenes.mosaics import draw_mosaics
from pipeline.datasets.photo_scenes.objects import draw_objects
from pipeline.datasets.photo_scenes.patches import draw_patches
from pipeline.datasets.photo_scenes.sources import PHOTOGRAPHS
from pipeline.datasets.photo_scenes.textures import load_textures
from pipeline.datasets.photographs import SPLITS

__all__ = ["DrawnScenes", "card_markdown", "draw"]


def draw(config: PhotoScenesConfig) -> DrawnScenes:
    """Draw every split. Equal configurations give equal bytes, with one release of Pillow and its decoders.

    An image depends on the seed, its split and its row alone, not on how many are drawn.

    Raises:
        PhotographError: a photograph is missing or has changed.
        ValueError: `min_crop` is larger than a region of a photograph.
    """
    textures = load_textures(config, PHOTOGRAPHS)
    class_names = tuple(photograph.name for photograph in PHOTOGRAPHS)
    counts = dict(zip(SPLITS, (config.num_train, config.num_val, config.num_test), strict=True))
    images, labels, label_maps, annotations = {}, {}, {}, {}
    for split, num_images in counts.items():
        wanted = {"split": split, "num_images": num_images, "size": config.image_size, "seed": config.seed}
        labels[split] = np.full(num_images, -1, np.int64)
        if config.drawing == "patches":
            images[split], labels[split] = draw_patches(textures, **wanted)
        elif config.drawing == "mosaics":
            images[split], label_maps[split] = draw_mosaics(textures, **wanted)
        else:
            images[split], annotations[split] = draw_objects(textures, **wanted, class_names=class_names)
    return DrawnScenes(images, labels, class_names, write_card(config, PHOTOGRAPHS), label_maps, annotations)
