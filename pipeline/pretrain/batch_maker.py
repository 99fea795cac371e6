"""Images -> the crops and masks of one optimiser step."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.image_order import rows_of_step
from pipeline.optim.schedules import epoch_of
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.streams import Stream, generator
from pipeline.transforms.block_mask import block_masks
from pipeline.transforms.multi_crop import multi_crop


@dataclass(frozen=True)
class BatchMaker:
    """Makes the batch of any step, from any thread."""

    config: PretrainConfig
    dataset: PreparedDataset

    def __call__(self, step: int) -> Batch:
        config, crops = self.config, self.config.crops
        rows = self.image_rows(step)
        images = [self.dataset.image(int(row), at_least=2 * crops.global_size) for row in rows]
        mean, std = input_statistics(config.normalization, self.dataset)
        views = multi_crop(generator(config.seed, Stream.CROPS, step), images, crops, mean=mean, std=std)
        grid = config.backbone.grid
        num_masks = crops.num_global * len(rows)
        masks = block_masks(generator(config.seed, Stream.MASKS, step), num_masks, grid, config.masks)
        if self._before_patches(step):
            masks[:] = False
        return Batch(views.global_crops, views.local_crops, masks.reshape(crops.num_global, len(rows), *grid))

    def _before_patches(self, step: int) -> bool:
        """Whether a step of iBOT lies before the epoch that its patch loss starts in."""
        num_images = len(self.dataset.indices("train"))
        epoch = epoch_of(step, self.config.schedule.batch_size, num_images)
        return self.config.method.name == "ibot" and epoch < self.config.objective.patch_start_epoch

    def image_rows(self, step: int) -> np.ndarray:
        """Rows of the manifest for one step: (batch_size,) int64."""
        train, size = self.dataset.indices("train"), self.config.schedule.batch_size
        return rows_of_step(train, step, size, seed=self.config.seed)
