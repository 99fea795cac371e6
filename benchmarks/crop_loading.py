"""Two global and six local crops of every image: ours, our reference on Pillow, and torchvision on PIL."""

import time
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.counting import CROP_SIZES
from benchmarks.photographs import write_photographs
from pipeline.config.data import CropConfig
from pipeline.datasets.decode import decode
from pipeline.pretrain.input_statistics import IMAGENET_MEAN, IMAGENET_STD
from pipeline.training.prefetch import prefetch
from pipeline.transforms.multi_crop import multi_crop


def crop_config(parameters: dict) -> CropConfig:
    """The published augmentation with local crops."""
    return CropConfig(
        **{name: (CROP_SIZES | parameters)[name] for name in ("global_size", "local_size", "num_local")}
    )


class OurLoading:
    """`pipeline.transforms`, on arrays in memory in this thread, or on JPEG files in all threads."""

    def __init__(self, parameters: dict, folder: Path):
        self.sizes = CROP_SIZES | parameters
        self.crops = crop_config(parameters)
        self.paths = write_photographs(folder, self.sizes["images"])
        self.images = None if self.sizes["files"] else [decode(path) for path in self.paths]
        self.threads = parameters["threads"] if self.sizes["files"] else 0
        self.use(parameters)
        views = self._batch(0)
        self.check = {"numbers of a batch": float(views.global_crops.size + views.local_crops.size)}
        if parameters.get("pixels"):
            self.check["mean size of numbers"] = float(np.abs(views.global_crops).mean(dtype=np.float64))

    def use(self, parameters: dict) -> None:
        """Select the implementation that renders."""

    def repeat(self) -> float:
        """Seconds for all images once."""
        started = time.perf_counter()
        steps = range(self.sizes["images"] // self.sizes["batch"])
        for _ in prefetch(self._batch, steps, num_threads=self.threads):
            pass
        return time.perf_counter() - started

    def _batch(self, step: int):
        size = self.sizes["batch"]
        part = slice(step * size, (step + 1) * size)
        if self.images is None:
            images = [decode(path, at_least=2 * self.crops.global_size) for path in self.paths[part]]
        else:
            images = self.images[part]
        rng = np.random.default_rng((step, 1))
        return multi_crop(rng, images, self.crops, mean=IMAGENET_MEAN, std=IMAGENET_STD)


class PillowLoading(OurLoading):
    """The same crops, rendered by this project's reference on Pillow."""

    def use(self, parameters: dict) -> None:
        from pipeline.transforms import rendering

        rendering.implementation = lambda: "pillow"


class TorchvisionLoading:
    """The usual transforms on PIL images in a DataLoader: in this process, or a worker per core."""

    def __init__(self, parameters: dict, folder: Path):
        import torch
        from torch.utils.data import DataLoader

        from benchmarks.torchvision_views import Views

        torch.set_num_threads(1)  # the workers of the DataLoader, or this one thread, do the work
        self.sizes = CROP_SIZES | parameters
        paths = write_photographs(folder, self.sizes["images"])
        dataset = Views(paths, crop_config(parameters), in_memory=not self.sizes["files"])
        workers = parameters["threads"] if self.sizes["files"] else 0
        self.loader = DataLoader(
            dataset,
            batch_size=self.sizes["batch"],
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        views = next(iter(self.loader))
        self.check = {"numbers of a batch": float(sum(view.numel() for view in views))}

    def repeat(self) -> float:
        """Seconds for all images once."""
        started = time.perf_counter()
        seen = count()
        for _ in self.loader:
            next(seen)
        assert next(seen) == self.sizes["images"] // self.sizes["batch"]
        return time.perf_counter() - started
