"""Presets, files that extend them, and the messages for mistakes."""

from pathlib import Path

import pytest

from pipeline.config import reading
from pipeline.config.reading import PRESETS, ConfigError, preset_names, read_experiment
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.study_nodes import study_nodes

PROJECT = Path(__file__).resolve().parents[3]


def written(folder: Path, text: str, name: str = "my") -> str:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_named_after_its_file(name):
    assert read_experiment(name).name == name


def test_the_published_command_to_the_digit():
    # Official README: ViT-B/16, 100 epochs, 10 of warm-up, 256 images in all, lr 7.5e-4 for 256 images.
    experiment = read_experiment("imagenet-vit-base")
    backbone, schedule, objective = experiment.backbone, experiment.schedule, experiment.objective
    assert (backbone.embed_dim, backbone.depth, backbone.num_heads, backbone.patch_size) == (768, 12, 12, 16)
    assert (schedule.epochs, schedule.warmup_epochs, schedule.batch_size) == (100, 10, 256)
    assert (schedule.peak_lr, schedule.min_lr) == (7.5e-4, 2e-6)
    assert (schedule.weight_decay, schedule.weight_decay_end) == (0.04, 0.4)
    assert (schedule.max_gradient_norm, schedule.freeze_last_layer_epochs) == (0.3, 3)
    assert (schedule.ema_momentum, schedule.ema_momentum_end) == (0.996, 1.0)
    assert objective.student_temperature == 0.1
    assert (objective.teacher_temperature_start, objective.teacher_temperature) == (0.04, 0.07)
    assert (objective.patch_temperature_start, objective.patch_temperature) == (0.04, 0.07)
    assert objective.teacher_temperature_warmup_epochs == objective.patch_temperature_warmup_epochs == 50
    assert (experiment.crops.global_scale, experiment.crops.num_local) == ((0.14, 1.0), 0)
    assert (experiment.masks.ratios, experiment.masks.ratio_variations) == ((0, 0.3), (0, 0.2))
    assert experiment.projection_head.num_prototypes == 8192
    assert (experiment.auxiliary_head.depth, experiment.auxiliary_head.kernel_size) == (3, 7)
    assert experiment.regularisation.drop_path_rate == 0.1


def test_a_file_extends_a_preset_and_keeps_the_rest(tmp_path):
    experiment = read_experiment(written(tmp_path, 'extends = "smoke"\n[schedule]\nepochs = 2\n'))
    assert (experiment.name, experiment.schedule.epochs) == ("my", 2)
    assert experiment.schedule.warmup_epochs == read_experiment("smoke").schedule.warmup_epochs


def test_a_relative_source_counts_from_the_file_and_that_of_a_preset_from_the_project(tmp_path):
    experiment = read_experiment(written(tmp_path, '[data]\nsource = "images"\n'))
    assert experiment.data.source == str(tmp_path / "images")
    assert PRESETS.is_relative_to(PROJECT)
    assert read_experiment("cifar10").data.source == str(PROJECT / "data" / "cifar10")
    extended = read_experiment(written(tmp_path, 'extends = "cifar10"\n'))
    assert extended.data.source == str(PROJECT / "data" / "cifar10")


def test_every_mistake_is_listed_with_its_key(tmp_path):
    text = 'extends = "smoke"\n[data]\nsorce = "x"\n[schedule]\nbatch_size = 0\n[backbone]\nsize = "huge"\n'
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read_experiment(path)
    head, *mistakes = str(error.value).splitlines()
    assert head == f"{path}: 3 mistakes"
    assert sorted(mistake.split(":")[0].strip() for mistake in mistakes) == [
        "backbone.size", "data.sorce", "schedule.batch_size",
    ]  # fmt: skip
    assert "did you mean 'source'?" in str(error.value)
    assert "(found 'huge')" in str(error.value)


def test_an_unknown_name_lists_the_presets_and_the_closest():
    with pytest.raises(ConfigError, match=r"nor a preset \(.*smoke.*\); did you mean 'smoke'\?"):
        read_experiment("smok")


def test_what_a_file_extends_has_to_exist(tmp_path):
    with pytest.raises(
        ConfigError, match=r"a.toml: extends: 'smok' is neither a file .* did you mean 'smoke'"
    ):
        read_experiment(written(tmp_path, 'extends = "smok"\n', "a"))


def test_a_file_that_extends_itself_is_refused(tmp_path):
    written(tmp_path, 'extends = "b.toml"\n', "a")
    written(tmp_path, 'extends = "a.toml"\n', "b")
    with pytest.raises(ConfigError, match="extends itself"):
        read_experiment(str(tmp_path / "a.toml"))


def test_dense_tasks_have_data_of_their_own(tmp_path):
    text = (
        '[segmentation.data]\nsource = "masks"\n[detection.data.photo_scenes]\nimage_size = 48\n[dense_probe]'
    )
    experiment = read_experiment(written(tmp_path, text))
    assert experiment.segmentation.data.source == str(tmp_path / "masks")
    assert experiment.detection.data.photo_scenes.drawing == "objects"
    assert experiment.detection.data.photo_scenes.image_size == 48
    assert experiment.dense_probe is not None


def test_images_to_transfer_to_count_from_the_file(tmp_path):
    experiment = read_experiment(written(tmp_path, '[finetune.data]\nsource = "flowers"\n'))
    assert experiment.finetune.data.source == str(tmp_path / "flowers")


def test_a_dense_task_that_is_extended_can_be_taken_out(tmp_path):
    written(tmp_path, "[segmentation]\n[detection]\n[dense_probe]\n", name="whole")
    experiment = read_experiment(written(tmp_path, 'extends = "whole.toml"\nsegmentation = false\n'))
    assert experiment.segmentation is None
    assert experiment.detection is not None


def test_dense_probes_need_data(tmp_path):
    with pytest.raises(ConfigError, match="dense_probe needs the data of segmentation or detection"):
        read_experiment(written(tmp_path, "[dense_probe]\n"))


def test_a_misspelled_key_of_a_dense_task_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"segmentation.schedule.num_step: unknown key; did you mean 'num_steps'"
    ):
        read_experiment(written(tmp_path, "[segmentation.schedule]\nnum_step = 3\n"))


@pytest.mark.parametrize("section", ["knn", "search", "ablate", "detection"])
def test_a_key_of_another_section_is_sent_there(tmp_path, section):
    with pytest.raises(ConfigError, match=rf"{section}\.confidence: unknown key; .* key of \[tables\]"):
        read_experiment(written(tmp_path, f"[{section}]\nconfidence = 0.8\n"))


def test_the_confidence_of_every_table_is_one_key(tmp_path):
    path = written(tmp_path, "[tables]\nconfidence = 0.8\n[ablate.product]\ndepth = [1, 2]\n")
    experiment = read_experiment(path)
    nodes = experiment_nodes(experiment)
    nodes += study_nodes(experiment, nodes)
    found = {node.stage: node.config.confidence for node in nodes if hasattr(node.config, "confidence")}
    assert found == dict.fromkeys(("tables", "ablate", "search", "search-validate"), 0.8)
    with pytest.raises(ConfigError, match=r"tables\.confidence: .*less than 1 \(found 95\)"):
        read_experiment(written(tmp_path, "[tables]\nconfidence = 95\n"))


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 40 + "]" * 40,
        "a = " + "[" * 9000 + "]" * 9000,
        f"{'a.' * 40}b = 1",
        f"[{'a.' * 5000}b]",
    ],
)
def test_what_is_deeper_than_any_experiment_is_refused(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        read_experiment(path)
    assert str(refused.value) == f"{path}: expected at most 32 tables and lists within each other, found more"


def test_what_is_larger_than_any_experiment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    path = written(tmp_path, "seeds = [1]")
    with pytest.raises(ConfigError, match=r"my\.toml: expected at most 10 bytes, found 11"):
        read_experiment(path)


@pytest.mark.parametrize("name", ["artifacts", "compare", "../x", "a/b", ""])
def test_no_name_leads_out_of_the_experiments_own_folder(tmp_path, name):
    with pytest.raises(ConfigError, match="name: "):
        read_experiment(written(tmp_path, f'name = "{name}"'))


def test_a_long_value_is_shown_in_short(tmp_path):
    with pytest.raises(ConfigError) as refused:
        read_experiment(written(tmp_path, f'seeds = "{"x" * 5000}"'))
    _, mistake = str(refused.value).splitlines()
    assert mistake.endswith(f"(found '{'x' * 199}... of 5002 characters)")


@pytest.mark.parametrize(
    "text",
    ['[data]\nsource = "a\\u0000b"', '[runtime]\nhosts = "\\u0000"', 'arms = ["\\u0000"]', '"a\\u0000" = 1'],
)
def test_a_zero_byte_is_refused_wherever_it_stands(tmp_path, text):
    with pytest.raises(ConfigError, match=r"my\.toml: expected texts without a zero byte"):
        read_experiment(written(tmp_path, text))
