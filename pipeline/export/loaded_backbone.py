"""Loads a trained base in the user's own code: images in, NumPy arrays out.

Shapes: B images of H x W pixels; h x w positions of the last map, D channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from pipeline.config.backbone import BackboneConfig
from pipeline.config.reading import read_experiment
from pipeline.datasets.decode import DEFAULT_MAX_PIXELS, FULL_GREY, decode
from pipeline.evaluate.feature_files import BACKBONE_FILES
from pipeline.graph.finished import Finished
from pipeline.inference.images import Decoding
from pipeline.transforms.evaluation import center_crops

if TYPE_CHECKING:
    from pipeline.models.backbone_file import FrozenBackbone

_RESULTS = Path(__file__).resolve().parents[2] / "results"
# Pixels of the short side per pixel of the crop, if no experiment sets it: 256 to 224.
_RESIZE_SHARE = 256 / 224
_WHOLE = Decoding(DEFAULT_MAX_PIXELS, FULL_GREY, reduced=False)  # if no experiment sets it
# (B, H, W, 3) uint8, or a list of such images, of Pillow images, or of paths.
Images = np.ndarray | Sequence[np.ndarray | Image.Image | str | Path]


@dataclass(frozen=True)
class ImageFeatures:
    """Features of B images, after the final norm, float32."""

    cls: np.ndarray  # (B, D) CLS token; for a base without one: the pooled last map
    patches: np.ndarray  # (B, h, w, D), from the top row


@dataclass(frozen=True)
class LoadedBackbone:
    """A base that is ready to use."""

    config: BackboneConfig
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32
    resize: int  # pixels of the short side, before the central square of `crop_size` is cropped
    crop_size: int  # pixels
    _frozen: "FrozenBackbone"
    _decoding: Decoding  # of image files

    def features(self, images: Images, *, batch_size: int = 64) -> ImageFeatures:
        """CLS and patch tokens; images are resized, cropped and normalised as in this project's evaluation.

        Args:
            images: (B, H, W, 3) uint8, or a list of arrays (H, W, 3) uint8, Pillow images or paths, of any
                sizes.
            batch_size: images in memory at once.

        Raises:
            ValueError: no images, or one of another kind.
            OSError, UndecodableImage: a path cannot be read.
        """
        if len(images) == 0:
            raise ValueError("features of no images were asked for")
        parts = [self._batch(crops) for crops in self._crops(images, batch_size)]
        return ImageFeatures(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _crops(self, images: Images, batch_size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(images), batch_size):
            pixels = [
                self._pixels(image, start + index)
                for index, image in enumerate(images[start : start + batch_size])
            ]
            yield center_crops(pixels, self.resize, self.crop_size, mean=self.mean, std=self.std)

    def _batch(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import jittor as jt

        with jt.no_grad():
            tokens = self._frozen.network(jt.array(crops))
        rows, columns = (side // self.config.stride for side in crops.shape[2:])
        patches = tokens.patches.numpy().reshape(len(crops), rows, columns, self.config.dim)
        return tokens.cls.numpy(), patches

    def _pixels(self, image: np.ndarray | Image.Image | str | Path, index: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        if isinstance(image, str | Path):
            at_least = self.resize if self._decoding.reduced else None
            return decode(
                Path(image),
                max_pixels=self._decoding.max_pixels,
                at_least=at_least,
                grey_range=self._decoding.grey_range,
            )
        if isinstance(image, Image.Image):
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
            found = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ValueError(
                f"image {index}: expected (H, W, 3) uint8, a Pillow image or a path, found {found}"
            )
        return image


def load_backbone(
    path: str | Path | None = None,
    *,
    experiment: str | None = None,
    arm: str | None = None,
    seed: int | None = None,
    resize: int | None = None,
    crop_size: int | None = None,
    device: str = "auto",
    results: Path = _RESULTS,
) -> LoadedBackbone:
    """Load a trained base, from its file or from the experiment that trained it.

    Args:
        path: a backbone.safetensors of this project, or its folder.
        experiment: instead of a path: a preset or a file, whose `doit run all` has finished.
        arm, seed: of the experiment; seed None: the first one.
        resize, crop_size: pixels; None: as in the experiment, else the base's own image size and 8/7 of it.
        device: "auto", "cpu", "cuda" or "cuda:1".
        results: folder of the experiments' results.

    Raises:
        ValueError: not exactly one of path and experiment, or no such run, or no backbone in the file.
        JittorStartError: Jittor cannot run here.
    """
    if (path is None) == (experiment is None) or (experiment is None) != (arm is None):
        raise ValueError("load_backbone takes a path, or experiment= and arm=")
    if path is not None:
        file = Path(path) / BACKBONE_FILES["teacher"] if Path(path).is_dir() else Path(path)
        decoding = _WHOLE
    else:
        finished = Finished(experiment, read_experiment(experiment), results)
        trained = finished.arm(arm, finished.seed(seed))
        file, resize = trained.backbone, resize or trained.config.resize
        decoding = Decoding.of_prepared(trained.prepared)
        crop_size = crop_size or trained.config.crop_size
    from pipeline.runtime.start_jittor import start

    start(device)
    from pipeline.models.backbone_file import load_backbone as read

    frozen = read(file)
    if frozen.config.channels is not None:
        raise ValueError(
            f"{file}: the base takes images of {frozen.config.channels} channels, load_backbone reads RGB; "
            "doit run embed gives its vectors"
        )
    crop_size = crop_size or frozen.config.image_size
    if crop_size % frozen.config.stride:
        raise ValueError(f"crop_size {crop_size} is no multiple of the base's {frozen.config.stride} pixels")
    resize = resize or round(crop_size * _RESIZE_SHARE)
    return LoadedBackbone(frozen.config, frozen.mean, frozen.std, resize, crop_size, frozen, decoding)
