"""The layouts of folders with label maps."""

from pipeline.datasets.label_maps.ade20k import ADE20K
from pipeline.datasets.label_maps.camvid import CAMVID
from pipeline.datasets.label_maps.image_masks import IMAGE_MASKS
from pipeline.datasets.label_maps.imagenet_s import IMAGENET_S
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.voc import VOC_MASKS

# `data.format` -> layout. Of two that a folder could be, the first is the narrower one.
LABEL_MAPS: dict[str, LabelMapFormat] = {
    "voc-masks": VOC_MASKS,
    "ade20k": ADE20K,
    "camvid": CAMVID,
    "imagenet-s": IMAGENET_S,
    "image-masks": IMAGE_MASKS,
}
