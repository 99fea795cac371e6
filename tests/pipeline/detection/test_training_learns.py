"""That the detector as a whole learns: four images by heart, and scenes of photographs in general."""

from functools import partial

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectConfig, DetectViewConfig, FinetuneSchedule
from pipeline.config.stages import RuntimeConfig

HALF = np.full(3, 0.5, np.float32)


def box_ap50(network, view, dataset, rows):
    from pipeline.detection.predictions import Predictor
    from pipeline.evaluate.average_precision import coco_results, evaluate_ap

    network.eval()
    found = list(Predictor(network, view, HALF, HALF).predictions(dataset, rows, 1))
    results = coco_results(found, dataset, rows.tolist())
    return evaluate_ap(results, dataset, rows.tolist(), "bbox").metrics["ap50"]


def trained(network, dataset, config, output):
    """`network`, trained on the training images as the stage would."""
    from pipeline.detection.batches import BatchMaker
    from pipeline.detection.training import detection_losses
    from pipeline.finetune.training import finetune

    finetune(
        network,
        make_batch=BatchMaker(dataset, dataset.indices("train"), config, HALF, HALF, network.multiple),
        losses=partial(detection_losses, network),
        schedule=config.schedule,
        seed=config.seed,
        run="test",
        output=output,
        runtime=RuntimeConfig(),
        report=lambda progress: None,
    )
    return network


def prepared(data, folder):
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.datasets.preparing import prepare

    folder.mkdir()
    prepare(data, folder, num_workers=1)
    return PreparedDataset.open(folder)


@pytest.mark.slow
def test_t24_four_images_by_heart(jt, small_detector, tmp_path):
    """T24: 300 steps on four scenes, from initial weights, and the same four are found: box AP50 > 0.9."""
    scenes = {"drawing": "objects", "image_size": 64, "num_train": 4, "num_val": 1, "num_test": 1}
    data = DataConfig.model_validate({"photo_scenes": scenes | {"colour": "rgb", "even_light": False}})
    dataset = prepared(data, tmp_path / "data")
    network = small_detector(num_classes=len(dataset.class_names), class_agnostic=True)
    view = DetectViewConfig(
        short_sides=(64,), max_long_side=64, test_short_side=64, crop_probability=0, flip_probability=0
    )
    schedule = FinetuneSchedule(
        num_steps=300, batch_size=4, lr=1e-3, warmup_steps=20, layer_decay=1, drop_path_rate=0,
        max_gradient_norm=1,
    )  # fmt: skip
    config = DetectConfig(
        frozen=False,
        heads=network.config,
        view=view,
        schedule=schedule,
        seed=0,
        num_bootstrap=1,
        num_pictures=0,
    )
    rows = dataset.indices("train")
    assert len(rows) == 4
    assert sum(len(dataset.objects(row).boxes) for row in rows.tolist()) >= 4
    assert box_ap50(network, view, dataset, rows) < 0.1, "initial weights find nothing"
    trained(network, dataset, config, tmp_path)
    assert box_ap50(network, view, dataset, rows) > 0.9
