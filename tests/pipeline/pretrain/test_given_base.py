"""A pretraining that starts from a base trained elsewhere."""

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.small_run import small_config

CONFIG = small_config()
EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)


@pytest.fixture
def given(jt, tmp_path):
    """A file with another base of the configured sizes, and its arrays."""
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.models.backbones import build_backbone
    from pipeline.models.initialization import initialize
    from pipeline.models.weights import named_arrays

    config = BackboneConfig.model_validate(CONFIG.backbone.model_dump() | {"size": "custom"})
    network = build_backbone(config)
    initialize(network, seed=77)
    path = tmp_path / "backbone.safetensors"
    statistics = np.full(3, 0.5, np.float32)
    save_backbone(path, FrozenBackbone(network, config, "foreign", statistics, statistics))
    return path, named_arrays(network)


def test_student_and_teacher_have_the_given_base_and_all_else_stays(given):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.given_base import with_base
    from pipeline.pretrain.step import initial_state

    path, arrays = given
    before = named_arrays(initial_state(CONFIG).student)
    state = with_base(initial_state(CONFIG), path, CONFIG.backbone)
    for network in (state.student, state.teacher):
        for name, array in named_arrays(network).items():
            base = name.removeprefix("backbone.")
            expected = arrays[base] if name.startswith("backbone.") else before[name]
            assert np.array_equal(array, expected), name
    assert any(not np.array_equal(arrays[name], before[f"backbone.{name}"]) for name in arrays)
    assert all(parameter.requires_grad for parameter in state.student.backbone.parameters())
    assert not any(parameter.requires_grad for parameter in state.teacher.parameters())


def test_another_base_is_refused(given):
    from pipeline.models.weights import WeightsError
    from pipeline.pretrain.given_base import with_base
    from pipeline.pretrain.step import initial_state

    path, _ = given
    config = CONFIG.backbone
    deeper = BackboneConfig.model_validate(
        config.model_dump() | {"size": "custom", "depth": config.depth + 1}
    )
    with pytest.raises(WeightsError, match=rf"has depth {config.depth}, expected {config.depth + 1}$"):
        with_base(initial_state(CONFIG), path, deeper)


def test_a_run_starts_from_it(given, tiny_dataset, tmp_path):
    from pipeline.pretrain.training import pretrain

    losses = {}
    for name, base in (("random", None), ("given", given[0])):
        output, seen = tmp_path / name, []
        output.mkdir()

        def report(progress, seen=seen):
            seen.append(progress.metrics["loss"])

        pretrain(CONFIG, tiny_dataset, output, runtime=EAGER, report=report, base=base)
        losses[name] = seen
    assert len(losses["given"]) == len(losses["random"]) > 1
    assert losses["given"][0] != losses["random"][0]


def test_batch_norm_of_another_project_is_no_start_of_group_norm(jt, tmp_path):
    from pipeline.config.backbone import BackboneConfig
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.models.backbones import build_backbone
    from pipeline.models.weights import WeightsError
    from pipeline.pretrain.given_base import with_base

    sizes = {"kind": "resnet", "size": "custom", "embed_dim": 16, "depths": (1, 1, 1, 1), "bottleneck": False}
    sizes |= {"image_size": 32, "patch_size": 4}
    given = BackboneConfig(**sizes, norm="batch")
    path, ones = tmp_path / "backbone.safetensors", np.ones(3, np.float32)
    save_backbone(path, FrozenBackbone(build_backbone(given), given, "foreign", ones, ones))
    # Names and shapes of both are the same; loaded, they would be other numbers without a word.
    with pytest.raises(WeightsError, match="has norm batch, expected None"):
        with_base(None, path, BackboneConfig(**sizes))
