"""Draws the network's features of a few training images during training.

Drawing uses no random numbers and changes no weight, so the training is the same as without it.

Shapes: n images, S pixels.
"""

from pathlib import Path

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.patch_features import patch_features
from pipeline.models.hssl import EncodingNetwork
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.pretrain.monitor.sample import draw_sample
from pipeline.training.pictures_of_steps import folder_of_step
from pipeline.transforms.evaluation import center_crops
from pipeline.views.files import BASE, HEAD
from pipeline.views.pictures import draw_attention, draw_colours

NUM_IMAGES = 8  # the first queries of the monitor's sample


class PicturedImages:
    """Always the same images, in the form for the network and in the form for people.

    Raises:
        ValueError: the training part has too few images.
    """

    def __init__(self, config: PretrainConfig, dataset: PreparedDataset):
        rows = draw_sample(dataset, config.monitor).queries[:NUM_IMAGES].tolist()
        size = config.crops.global_size
        mean, std = input_statistics(config.normalization, dataset)

        def crops(read, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
            return center_crops([read(row, at_least=size) for row in rows], size, size, mean=mean, std=std)

        self._images = crops(dataset.image, mean, std)  # (n, 3 or C, S, S) float32
        shown = crops(dataset.picture, np.zeros(3, np.float32), np.ones(3, np.float32))
        pixels = np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)
        self._shown = [*pixels.transpose(0, 2, 3, 1)]

    def draw(self, network: EncodingNetwork, output: Path, step: int) -> None:
        """Write pca.png, of base and auxiliary head, and attention.png if CLS attends to patches.

        Args:
            output: artifact of the training.
            step: number of steps after which the network is drawn.
        """
        import jittor as jt

        folder = folder_of_step(output, step)
        folder.mkdir(parents=True, exist_ok=True)
        base = patch_features(network.backbone, self._images)
        tokens = {BASE: base.tokens}
        if network.auxiliary_head is not None:
            with jt.no_grad():
                feature_map = network.backbone(jt.array(self._images)).feature_map
                tokens[HEAD] = network.auxiliary_head.norm(network.auxiliary_head.mixed(feature_map)).numpy()
        draw_colours(folder, self._shown, tokens)
        if base.attention is not None:
            draw_attention(folder, self._shown, base.attention)
