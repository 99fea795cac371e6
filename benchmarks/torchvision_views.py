"""iBOT's augmentation with torchvision's transforms on PIL images."""

import random
from pathlib import Path

import torch
from PIL import Image, ImageFilter

from pipeline.config.data import CropConfig
from pipeline.pretrain.input_statistics import IMAGENET_MEAN, IMAGENET_STD


def _transforms():
    """torchvision.transforms; its compiled operators, which transforms do not need, may fail to load."""
    try:
        from torchvision import transforms
    except RuntimeError:
        # With a wheel built for CUDA beside a CPU-only PyTorch, the import refers to two missing operators.
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _transforms.library = library  # lives as long as the process
        from torchvision import transforms
    return transforms


class Views(torch.utils.data.Dataset):
    """Image -> list of views, float32 (3, side, side): global ones first."""

    def __init__(self, paths: list[Path], crops: CropConfig, *, in_memory: bool):
        self.paths = paths
        self.images = [_read(path) for path in paths] if in_memory else None
        globals_ = [_view(crops, 0), *[_view(crops, 1)] * (crops.num_global - 1)]
        self.views = globals_ + [_view(crops, 2)] * crops.num_local

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        image = _read(self.paths[index]) if self.images is None else self.images[index]
        return [view(image) for view in self.views]


def _read(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def _view(crops: CropConfig, role: int):
    """role: 0 = first global crop, 1 = further ones, 2 = local."""
    transforms = _transforms()
    size = crops.local_size if role == 2 else crops.global_size
    scale = crops.local_scale if role == 2 else crops.global_scale
    bicubic = transforms.InterpolationMode.BICUBIC
    jitter = transforms.ColorJitter(crops.brightness, crops.contrast, crops.saturation, crops.hue)

    def blurred(image: Image.Image) -> Image.Image:
        if random.random() >= crops.blur_probability[role]:
            return image
        return image.filter(ImageFilter.GaussianBlur(random.uniform(*crops.blur_sigma)))

    steps = [
        transforms.RandomResizedCrop(size, scale, crops.aspect_ratio, interpolation=bicubic),
        transforms.RandomHorizontalFlip(crops.flip_probability),
        transforms.RandomApply([jitter], crops.jitter_probability),
        transforms.RandomGrayscale(crops.grey_probability),
        transforms.Lambda(blurred),
    ]
    if crops.solarize_probability[role]:
        steps.append(transforms.RandomSolarize(128, crops.solarize_probability[role]))
    steps += [transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN.tolist(), IMAGENET_STD.tolist())]
    return transforms.Compose(steps)
