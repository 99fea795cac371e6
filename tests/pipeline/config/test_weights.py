"""Sections of other projects' weights, and where they are."""

import json

import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.config.section import readable_values
from pipeline.config.stages import StartConfig
from pipeline.config.weights import digest_of_source

ARM = 'extends = "smoke"\narms = ["random", "hssl", "theirs"]\nbaseline = "random"\n'


def written(folder, text):
    (folder / "my.toml").write_text(ARM + text)
    return str(folder / "my.toml")


def test_the_digest_decides_and_not_the_place(tmp_path):
    read = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "theirs.pth").write_bytes(b"weights")
        text = '[weights.theirs]\nsource = "theirs.pth"\nkey = "student"\n'
        read.append(read_experiment(written(tmp_path / place, text)).weights["theirs"])
    assert [section.source for section in read] == [str(tmp_path / place / "theirs.pth") for place in "ab"]
    assert readable_values(read[0]) == readable_values(read[1])
    (tmp_path / "a" / "theirs.pth").write_bytes(b"others")
    changed = read_experiment(str(tmp_path / "a" / "my.toml")).weights["theirs"]
    assert readable_values(changed) != readable_values(read[0])


def test_the_digest_of_a_folder_is_of_all_that_may_be_read(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "README.md").write_text("words")
    digests = [digest_of_source(tmp_path)]
    (tmp_path / "README.md").write_text("other words")
    assert digest_of_source(tmp_path) == digests[0]
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 3}))
    digests.append(digest_of_source(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"others")
    digests.append(digest_of_source(tmp_path))
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[weights.theirs]\nsource = "none.pth"\n', r"weights.theirs.source: .*none.pth: No such file"),
        ('[weights.theirs]\nsorce = "theirs.pth"\n', r"weights.theirs.sorce: .*mean 'source'"),
        ('[weights.other]\nsource = "theirs.pth"\n', "there is no theirs; choose from .*, other"),
        ('[weights.ibot]\nsource = "theirs.pth"\n', r"weights.ibot: that name is taken"),
        ('[weights."a b"]\nsource = "theirs.pth"\n', r"weights.a b"),
        ('[weights.theirs]\nsource = "theirs.pth"\nmean = [0.5, 0.5, 0.5]\n', "mean and std go together"),
        ('[weights.theirs]\nsource = "theirs.pth"\nsha256 = "00"\n', "not weights.theirs.sha256"),
        ('[start]\nsource = "none.pth"\n', r"start.source: .*none.pth: No such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "theirs.pth").write_bytes(b"weights")
    with pytest.raises(ConfigError, match=message):
        read_experiment(written(tmp_path, text))


def test_a_start_is_one_file_of_one_kind():
    for values in ({}, {"checkpoint": "c.safetensors", "source": "theirs.pth"}):
        with pytest.raises(ValidationError, match="one of them"):
            StartConfig(**values)
    with pytest.raises(ValidationError, match="key and num_heads are of source"):
        StartConfig(checkpoint="c.safetensors", key="teacher")


def test_a_base_may_start_every_arm_and_seed_a_checkpoint_one_run():
    runs = {"name": "e", "arms": ["ibot", "hssl"], "seeds": [0, 1]}
    started = Experiment.model_validate(runs | {"start": {"source": "theirs.pth"}})
    assert started.start_weights().image_size == started.backbone.image_size
    with pytest.raises(ValidationError, match="a checkpoint is of one run"):
        Experiment.model_validate(runs | {"start": {"checkpoint": "c.safetensors"}})
