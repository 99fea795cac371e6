"""Images -> the crops and masks of one optimiser step."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.optim.schedules import Schedule, epoch_of
from pipeline.pretrain.batch import Batch, PackedBatch
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.training.random_generators import Purpose, generator
from pipeline.training.step_images import step_images
from pipeline.transforms.block_mask import block_masks
from pipeline.transforms.crop_parameters import joined
from pipeline.transforms.multi_crop import draw_views, multi_crop
from pipeline.transforms.packing import pack
from pipeline.transforms.rendering import image_sizes


@dataclass(eq=False)
class BatchMaker:
    """Makes the batch of any step, from any thread."""

    config: PretrainConfig
    dataset: PreparedDataset
    on_device: bool = False  # leave the crops, with the same random decisions, to the device

    def __post_init__(self):
        schedule, seed = self.config.schedule, self.config.seed
        num_images = len(self.dataset.indices("train"))
        num_steps = Schedule(schedule, self.config.objective, num_images).num_steps
        self._images = step_images(self.dataset, schedule, num_steps=num_steps, seed=seed)

    def __call__(self, step: int) -> Batch | PackedBatch:
        config, crops = self.config, self.config.crops
        images = self._images.images(step, at_least=2 * crops.global_size)
        mean, std = input_statistics(config.normalization, self.dataset)
        rng, masks = generator(config.seed, Purpose.CROPS, step), self._masks(step, len(images))
        if self.on_device:
            drawn = draw_views(rng, image_sizes(images), crops)
            views = ((drawn.global_crops, crops.global_size), (drawn.local_crops, crops.local_size))
            packed = pack(images, [(joined(each), size) for each, size in views if each])
            return PackedBatch(packed, masks, mean, std)
        views = multi_crop(rng, images, crops, mean=mean, std=std)
        return Batch(views.global_crops, views.local_crops, masks)

    def _masks(self, step: int, num_images: int) -> np.ndarray:
        """(V, B, h, w) bool."""
        config, num_global, grid = self.config, self.config.crops.num_global, self.config.backbone.grid
        rng = generator(config.seed, Purpose.MASKS, step)
        masks = block_masks(rng, num_global * num_images, grid, config.masks)
        if self._before_patches(step):
            masks[:] = False
        return masks.reshape(num_global, num_images, *grid)

    def _before_patches(self, step: int) -> bool:
        """Whether a step lies before the epoch that the method's patch loss starts in."""
        num_images = len(self.dataset.indices("train"))
        epoch = epoch_of(step, self.config.schedule.batch_size, num_images)
        return self.config.method.prototypes and epoch < self.config.objective.patch_start_epoch

    def image_rows(self, step: int) -> np.ndarray:
        """Rows of the manifest for one step: (batch_size,) int64."""
        return self._images.rows(step)
