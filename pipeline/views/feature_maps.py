"""Computes a network's vectors of a sample of images, and feature maps and attention of a few.

Shapes: B images of a batch, S pixels, h x w positions of the map, D channels.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline.config.stages import FeaturesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.patch_features import patch_features
from pipeline.evaluate.features import batch_rows, load_crops
from pipeline.models.auxiliary_heads.base import AuxiliaryHead
from pipeline.models.backbone_file import FrozenBackbone
from pipeline.training.prefetch import prefetch
from pipeline.transforms.evaluation import center_crops
from pipeline.views.files import BASE, HEAD

# Pictures use crops of twice the side: finer maps show more, and the networks accept other sizes.
_ENLARGED = 2


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The last feature maps of a few images."""

    crops: list[np.ndarray]  # (S, S, 3) uint8 each
    tokens: dict[str, np.ndarray]  # side -> (B, h, w, D) float32, after the final norm
    attention: np.ndarray | None  # (B, heads, h, w) of the base's CLS token; None if the base has none


@dataclass(frozen=True, eq=False)
class ViewExtractor:
    """A frozen base with its auxiliary head, if any, and the preprocessing of its images."""

    frozen: FrozenBackbone
    head: AuxiliaryHead | None
    config: FeaturesConfig
    num_threads: int
    show: Callable[[Iterable, str, int], Iterable]  # progress bar: batches, purpose, number of batches

    def vectors(self, dataset: PreparedDataset, rows: np.ndarray, purpose: str) -> dict[str, np.ndarray]:
        """Side -> vectors (n, D) float32 of the central crops.

        Raises:
            FloatingPointError: a vector is not finite; names the first image of the batch.
        """
        size, parts = self.config.batch_size, batch_rows(rows, self.config.batch_size)

        def load(step: int) -> np.ndarray:
            return load_crops(
                dataset, parts[step], resize=self.config.resize, crop=self._crop, batch_size=size
            )

        batches = prefetch(load, range(len(parts)), num_threads=self.num_threads)
        sides = [BASE] if self.head is None else [BASE, HEAD]
        found = {side: [np.empty((0, self.frozen.config.dim), np.float32)] for side in sides}
        for part, batch in zip(parts, self.show(batches, purpose, len(parts)), strict=True):
            for side, vectors in self._of_batch(batch).items():
                if not np.isfinite(vectors).all():
                    name = dataset.path(int(part[0]))
                    raise FloatingPointError(f"{side}: not all finite in the batch that starts at {name}")
                found[side].append(vectors[: len(part)])
        return {side: np.concatenate(each) for side, each in found.items()}

    def feature_maps(self, dataset: PreparedDataset, rows: np.ndarray) -> FeatureMaps:
        """The last maps of both sides, for crops of twice the configured side."""
        at_least = _ENLARGED * self.config.resize
        images, pictures = (
            [of(row, at_least=at_least) for row in rows.tolist()] for of in (dataset.image, dataset.picture)
        )
        crops = self._crops(images, self.frozen.mean, self.frozen.std)
        base = patch_features(self.frozen.network, crops)
        tokens = {BASE: base.tokens}
        if self.head is not None:
            with jt.no_grad():
                mixed = self.head.mixed(self.frozen.network(jt.array(crops)).feature_map)
                tokens[HEAD] = self.head.norm(mixed).numpy()
        shown = self._crops(pictures, np.zeros(3, np.float32), np.ones(3, np.float32))
        pixels = np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)
        return FeatureMaps([*pixels.transpose(0, 2, 3, 1)], tokens, base.attention)

    def _crops(self, images: list[np.ndarray], mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Enlarged central crops."""
        sizes = (_ENLARGED * side for side in (self.config.resize, self.config.crop_size))
        return center_crops(images, *sizes, mean=mean, std=std)

    def _crop(self, images: list[np.ndarray]) -> np.ndarray:
        size = self.config.resize, self.config.crop_size
        return center_crops(images, *size, mean=self.frozen.mean, std=self.frozen.std)

    def _of_batch(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        with jt.no_grad():
            tokens = self.frozen.network(jt.array(batch))
            vectors = {BASE: tokens.cls.numpy()}
            if self.head is not None:
                vectors[HEAD] = self.head(tokens.feature_map).numpy()
        return vectors
