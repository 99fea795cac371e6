"""What `data.channels` decides for an experiment, and what it forbids."""

import pytest
from pydantic import ValidationError

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.config.section import readable_values

BANDS = {"source": "bands", "channels": 5}


def experiment(**sections) -> Experiment:
    return Experiment.model_validate({"name": "e", "data": BANDS} | sections)


def test_a_file_that_extends_smoke_and_states_source_and_channels_is_complete(tmp_path):
    (tmp_path / "x.toml").write_text('extends = "smoke"\n[data]\nsource = "bands"\nchannels = 5\n')
    read = read_experiment(str(tmp_path / "x.toml"))
    assert read.backbone.channels == 5
    assert read.data.normalization == "dataset"
    crops = read.crops
    assert (crops.jitter_probability, crops.grey_probability, crops.saturation, crops.hue) == (0, 0, 0, 0)
    assert not any(crops.solarize_probability)
    assert (read.segmentation, read.detection, read.dense_probe) == (None, None, None)
    assert all(read.pretrain_config(arm, 0).backbone.channels == 5 for arm in ("ibot", "hssl"))


def test_brightness_and_contrast_may_be_asked_for():
    crops = experiment(crops={"jitter_probability": 0.5}).crops
    assert (crops.jitter_probability, crops.brightness, crops.contrast) == (0.5, 0.4, 0.4)
    assert (crops.saturation, crops.hue) == (0, 0)


def test_fine_tuning_goes_without_rand_augment():
    assert experiment(finetune={}).finetune.view.num_operations == 0


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": BANDS | {"normalization": "imagenet"}}, "normalization 'imagenet' is of RGB in 8 bits"),
        ({"data": BANDS | {"grey_range": [0, 9]}}, "grey_range is of images that become 8 bits"),
        ({"data": BANDS | {"window": [3, 3]}}, r"window must be \(lowest, highest\)"),
        ({"data": BANDS | {"picture_channels": [0, 4, 5]}}, r"must be below channels 5, got \[5\]"),
        ({"data": {"channel_axis": "first"}}, "channel_axis is of data with channels"),
        ({"data": {"window": "header"}}, "window is of data with channels"),
        ({"crops": {"hue": 0.1}}, "crops.hue 0.1 is of RGB in 8 bits; data.channels 5 needs 0"),
        ({"crops": {"solarize_probability": [0, 0.2, 0]}}, "crops.solarize_probability"),
        ({"finetune": {"view": {"num_operations": 2}}}, "RandAugment is of RGB"),
        ({"finetune": {"data": {"source": "x"}}}, "finetune.data.channels None must equal data.channels 5"),
        (
            {"evaluate": [{"name": "more", "data": {"source": "rgb"}}]},
            "evaluate more: data.channels None must equal data.channels 5",
        ),
        (
            {"data": {}, "evaluate": [{"name": "more", "data": BANDS}]},
            "data.channels 5 must equal data.channels None",
        ),
        ({"segmentation": {"data": {"source": "maps"}}}, "reads RGB.*needs segmentation = false"),
        ({"detection": {"data": {"source": "boxes"}}}, "detection reads RGB.*needs detection = false"),
        ({"data": {}, "detection": {"data": BANDS}}, "detection.data.channels 5: detection reads RGB"),
        ({"data": {}, "backbone": {"channels": 5}}, "backbone.channels 5 must equal data.channels None"),
        (
            {"arms": ["random", "theirs"], "baseline": "random", "weights": {"theirs": {"source": "a.pth"}}},
            "weights.theirs: the first layer .* takes 3 channels.*data.channels is 5",
        ),
        ({"start": {"source": "a.pth"}}, "start.source: the first layer .* takes 3 channels"),
    ],
)
def test_what_does_not_go_with_channels_is_refused(sections, message):
    with pytest.raises(ValidationError, match=message):
        experiment(**sections)


def test_without_the_key_nothing_is_written_or_fingerprinted_of_it():
    plain = Experiment(name="e")
    for section in (plain.backbone, plain.data):
        assert not {"channels", "window", "no_data", "frame", "channel_axis", "picture_channels"} & {
            *section.model_dump(mode="json"),
            *readable_values(section),
        }
    stated = BackboneConfig(channels=5)
    assert stated.model_dump()["channels"] == readable_values(stated)["channels"] == 5
    assert BackboneConfig.model_validate(stated.model_dump()) == stated
    assert "size" not in stated.model_dump(exclude={"size"})
    data = DataConfig.model_validate(BANDS | {"window": [-1000, 400]})
    assert DataConfig.model_validate(data.model_dump(mode="json")) == data
