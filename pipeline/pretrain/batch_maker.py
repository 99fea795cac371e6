"""Makes the crops and masks of one optimiser step from images."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.data import CropConfig
from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.optim.schedules import Schedule, epoch_of
from pipeline.pretrain.batch import Batch, PackedBatch
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.random_generators import Purpose, generator
from pipeline.training.step_images import step_images
from pipeline.transforms.block_mask import block_masks
from pipeline.transforms.crop_parameters import joined
from pipeline.transforms.crop_sizes import crops_of_step
from pipeline.transforms.multi_crop import Views, draw_views, render_views
from pipeline.transforms.packing import pack
from pipeline.transforms.rendering import image_sizes


@dataclass(eq=False)
class BatchMaker:
    """Makes the batch of any step, from any thread; with several ranks, this one's share of it."""

    config: PretrainConfig
    dataset: PreparedDataset
    on_device: bool = False  # crops are made on the device, from the same random numbers
    ranks: Ranks = SINGLE_PROCESS

    def __post_init__(self):
        schedule, seed = self.config.schedule, self.config.seed
        num_images = len(self.dataset.indices("train"))
        num_steps = Schedule(schedule, self.config.objective, num_images).num_steps
        self._images = step_images(self.dataset, schedule, num_steps=num_steps, seed=seed)
        self._num_steps = num_steps

    def __call__(self, step: int) -> Batch | PackedBatch:
        config = self.config
        crops = crops_of_step(config.crops, config.schedule, step, self._num_steps)
        rows = self.image_rows(step)
        share = self.ranks.share(len(rows))
        images = self._images.images(step, at_least=2 * crops.global_size, share=share)
        mean, std = input_statistics(config.normalization, self.dataset)
        views, masks = self._views(step, rows, images, crops), self._masks(step, len(rows), crops)[:, share]
        if self.on_device:
            drawn = ((views.global_crops, crops.global_size), (views.local_crops, crops.local_size))
            packed = pack(images, [(joined(each), size) for each, size in drawn if each])
            return PackedBatch(packed, masks, mean, std)
        rendered = render_views(images, views, crops, mean=mean, std=std)
        return Batch(rendered.global_crops, rendered.local_crops, masks)

    def _views(self, step: int, rows: np.ndarray, images: list[np.ndarray], crops: CropConfig) -> Views:
        """Drawn for the whole batch; returned for this rank's images."""
        share = self.ranks.share(len(rows))
        # Other ranks' images may have any size here: a crop draws equally many numbers for every image.
        sizes = np.ones((len(rows), 2), np.int64)
        sizes[share] = image_sizes(images)
        rng = generator(self.config.seed, Purpose.CROPS, step)
        return draw_views(rng, sizes, crops).of_images(share)

    def _masks(self, step: int, num_images: int, crops: CropConfig) -> np.ndarray:
        """(V, B, h, w) bool."""
        config, num_global = self.config, crops.num_global
        grid = (crops.global_size // config.backbone.stride,) * 2
        rng = generator(config.seed, Purpose.MASKS, step)
        masks = block_masks(rng, num_global * num_images, grid, config.masks)
        if self._before_patches(step):
            masks[:] = False
        return masks.reshape(num_global, num_images, *grid)

    def _before_patches(self, step: int) -> bool:
        """Whether a step is before the epoch in which the method's patch loss starts."""
        num_images = len(self.dataset.indices("train"))
        epoch = epoch_of(step, self.config.schedule.batch_size, num_images)
        return self.config.method.prototypes and epoch < self.config.objective.patch_start_epoch

    def image_rows(self, step: int) -> np.ndarray:
        """Rows of the manifest for one step: (batch_size,) int64."""
        return self._images.rows(step)
