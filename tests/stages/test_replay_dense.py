"""`doit run replay` of every other stage that trains: the saved step names the tensor that the run named."""

from dataclasses import asdict

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.datasets.preparing import prepare
from pipeline.graph.stage_runner import Job
from pipeline.storage.artifacts import artifact_directory, record_experiment
from pipeline.storage.files import write_json
from stages import detect, finetune, replay, search_train, segment
from tests.stages import test_detect, test_finetune, test_search, test_segment

RUNTIME = RuntimeConfig(device="cpu", threads=1, log_every_steps=1)
BROKEN = 2  # step that sees a pixel that is no number, counted from 1


def prepared(folder, **config):
    folder.mkdir()
    prepare(DataConfig.model_validate(config), folder, num_workers=1)
    return folder


def case(stage, backbone, tiny_prepared, tiny_config, tmp_path):
    """Program, settings, inputs, the module whose batches are spoilt, and the field of a batch."""
    from pipeline.classification import batches as classification
    from pipeline.detection import batches as detection
    from pipeline.pretrain import batch_maker
    from pipeline.segmentation import batches as segmentation

    if stage == "search-train":
        config = JointTrainingConfig(pretrain=tiny_config, candidates=test_search.HEADS)
        return search_train, config, {"data": tiny_prepared}, batch_maker, "global_crops"
    if stage == "finetune":
        inputs = {"backbone": backbone, "data": tiny_prepared}
        return finetune, test_finetune.SHORT, inputs, classification, "images"
    if stage == "segment":
        images = test_segment.write_images(tmp_path / "labelled", {"train": 6, "test": 2})
        source = {"source": str(images), "class_names": test_segment.CLASSES, "val_share": 0.0}
        inputs = {"backbone": backbone, "data": prepared(tmp_path / "maps", **source)}
        return segment, test_segment.configured(num_steps=3), inputs, segmentation, "images"
    scenes = {"drawing": "objects", "image_size": 32, "num_train": 8, "num_val": 2, "num_test": 6}
    inputs = {"backbone": backbone, "data": prepared(tmp_path / "objects", photo_scenes=scenes)}
    return detect, test_detect.configured(), inputs, detection, "images"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["search-train", "finetune", "segment", "detect"])
def test_the_saved_step_names_the_same_tensor(
    stage, backbone, tiny_prepared, tiny_config, tmp_path, monkeypatch, capsys
):
    program, config, inputs, module, field = case(stage, backbone, tiny_prepared, tiny_config, tmp_path)
    right = module.BatchMaker.__call__

    def spoilt(maker, step):
        batch = right(maker, step)
        if step == BROKEN - 1:
            getattr(batch, field).flat[7] = np.nan
        return batch

    monkeypatch.setattr(replay, "RESULTS", tmp_path)
    output = artifact_directory(tmp_path, stage, "5" * 16)
    output.mkdir(parents=True)
    job = Job(
        stage=stage, name="frozen-hssl-seed0", run={"run": "frozen", "arm": "hssl", "seed": 0},
        fingerprint="f", code="c", libraries={}, made_with={}, config=config.model_dump(mode="json"),
        inputs={name: str(path) for name, path in inputs.items()}, runs=[], identities={}, lineage={},
        work=1.0, output=str(output), runtime=RUNTIME.model_dump(mode="json"),
    )  # fmt: skip
    write_json(output / "job.json", asdict(job))
    record_experiment(tmp_path, "smoke", config={}, artifacts={f"{stage}-frozen-hssl-seed0": output})
    with monkeypatch.context() as spoiling:
        spoiling.setattr(module.BatchMaker, "__call__", spoilt)
        with pytest.raises(FloatingPointError) as caught:
            program.run(config, output, runtime=RUNTIME, **inputs)
    message = str(caught.value)
    options = f"step={BROKEN} stage={stage} run=frozen arm=hssl seed=0"
    assert f"it began in step {BROKEN} by the batch's {field} (" in message
    assert f"`doit run replay {options}`" in message
    capsys.readouterr()
    # From here on batches are right: what replay sees is what was saved.
    assert replay.main(["experiment=smoke", *options.split()]) == 0
    printed = capsys.readouterr().out.splitlines()
    step, *_, last = [line for line in printed if line.startswith(("step ", "the first tensor"))]
    assert step.startswith(f"step {BROKEN} of {stage} frozen-hssl-seed0, from ")
    tensor = last.removeprefix("the first tensor that is not finite: ")
    assert tensor.startswith(f"the batch's {field} (")
    assert f"by {tensor}; `doit run replay" in message
