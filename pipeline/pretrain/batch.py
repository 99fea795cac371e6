"""The batch of one optimiser step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.transforms.packing import Pack

if TYPE_CHECKING:
    import jittor as jt  # at run time it is imported only where crops are made on a device


@dataclass(frozen=True)
class Batch:
    """The input of one step: V global views, L local views, B images; h x w patches of a global crop.

    Crops are arrays if made on the processor, Jittor variables if made on a device.
    """

    global_crops: "np.ndarray | jt.Var"  # (V, B, 3, S, S) float32
    local_crops: "np.ndarray | jt.Var"  # (L, B, 3, s, s) float32; an array if L = 0
    masks: np.ndarray  # (V, B, h, w) bool, True = hidden from the student

    @property
    def flat_global_crops(self) -> "np.ndarray | jt.Var":
        """(V B, 3, S, S): row v B + b is view v of image b."""
        return _flat(self.global_crops)

    @property
    def flat_local_crops(self) -> "np.ndarray | jt.Var":
        """(L B, 3, s, s): row v B + b is view v of image b."""
        return _flat(self.local_crops)

    @property
    def flat_masks(self) -> np.ndarray:
        """(V B, h, w), in the order of `flat_global_crops`."""
        return _flat(self.masks)

    def microbatch(self, index: int, num_microbatches: int) -> "Batch":
        """The microbatch `index` of `num_microbatches` equal ones."""
        size = self.masks.shape[1] // num_microbatches
        images = slice(index * size, (index + 1) * size)
        return Batch(self.global_crops[:, images], self.local_crops[:, images], self.masks[:, images])

    def rendered(self) -> "Batch":
        """The batch itself, whose crops exist already."""
        return self


@dataclass(frozen=True)
class PackedBatch:
    """A batch from a loader's thread, whose crops will be made on a device."""

    images: Pack  # crops to make: all global ones, view by view, and all local ones if any
    masks: np.ndarray  # as in Batch
    mean: np.ndarray  # (3,) of the channels in [0, 1], as `std`
    std: np.ndarray

    def device_crops(self) -> "list[jt.Var]":
        """Upload the images and make the crops: (V B, 3, S, S) uint8 and, if L > 0, (L B, 3, s, s) uint8."""
        from pipeline.transforms import on_device

        return on_device.rendered(self.images)

    def rendered(self) -> Batch:
        """The batch with its crops, normalised, on the device. Call once per step, from Jittor's thread."""
        from pipeline.transforms import on_device

        crops = [on_device.normalised(each, mean=self.mean, std=self.std) for each in self.device_crops()]
        views = [each.reshape(-1, self.masks.shape[1], *each.shape[1:]) for each in crops]
        none = np.zeros((0, *views[0].shape[1:]), np.float32)
        return Batch(views[0], views[1] if len(views) > 1 else none, self.masks)


def _flat(views: "np.ndarray | jt.Var") -> "np.ndarray | jt.Var":
    return views.reshape(-1, *views.shape[2:])
