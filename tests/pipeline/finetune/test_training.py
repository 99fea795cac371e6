"""The loop with a toy head: resume, repeatability, what stays frozen, and what stops it."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import FinetuneSchedule
from pipeline.config.stages import RuntimeConfig

CONFIG = BackboneConfig(size="custom", image_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2)
SCHEDULE = FinetuneSchedule(num_steps=6, batch_size=3, lr=0.01, warmup_steps=2, drop_path_rate=0.3)


@dataclass(frozen=True)
class ToyBatch:
    names: list[str]
    images: np.ndarray
    targets: np.ndarray


def make_batch(step, width=24):
    rng = np.random.default_rng(step)
    images = rng.normal(size=(3, 3, 16, width)).astype(np.float32)
    return ToyBatch([f"{step}-{i}.png" for i in range(3)], images, images.mean(axis=(1, 2, 3)))


def toy_network(jt, *, frozen=False):
    from jittor import nn

    from pipeline.models.conv import ConvNorm
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.models.initialization import initialize, initialize_head
    from pipeline.models.vit import VisionTransformer

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            network = VisionTransformer(CONFIG)
            initialize(network, seed=0)
            self.backbone = DenseBackbone(network, tap_norm=True, frozen=frozen)
            self.mix = ConvNorm(12, 8, 3)
            self.predict = nn.Conv2d(8, 1, 1)
            initialize_head(self.mix, seed=0)
            initialize_head(self.predict, seed=0)

        def execute(self, images, drop_path_scales=None):
            maps = self.backbone(images, drop_path_scales)
            return self.predict(self.mix((maps[0] + maps[-1]).permute(0, 3, 1, 2))).mean(dims=(1, 2, 3))

    return Toy()


def trained(jt, output, *, until=None, frozen=False, schedule=SCHEDULE, spoiled=None, width=24, run="r"):
    """Weights after a run; `until` stops it like a kill, after as many logged and saved steps."""
    from pipeline.finetune.training import finetune
    from pipeline.models.weights import named_arrays

    network = toy_network(jt, frozen=frozen)

    def losses(batch, drop_path_scales):
        found = network(jt.array(batch.images), drop_path_scales)
        error = ((found - jt.array(batch.targets)) ** 2).sum() / 3
        return {"error": error * float("nan") if batch.names[0].startswith(f"{spoiled}-") else error}

    class Killed(Exception):
        pass

    def report(progress):
        if progress.step - 1 == until:
            raise Killed

    runtime = RuntimeConfig(log_every_steps=1, checkpoint_every_minutes=1e-9)
    arguments = {
        "make_batch": partial(make_batch, width=width),
        "losses": losses,
        "schedule": schedule,
        "seed": 4,
        "run": run,
    }
    try:
        finetune(network, **arguments, output=output, runtime=runtime, report=report)
    except Killed:
        return None
    return named_arrays(network)


def test_t31_a_stopped_run_ends_like_an_uninterrupted_one(jt, tmp_path):
    """T31: bit for bit, running statistics and log included."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    expected = trained(jt, whole)
    assert trained(jt, parts, until=3) is None
    found = trained(jt, parts)
    assert found.keys() == expected.keys()
    assert [name for name in found if not np.array_equal(found[name], expected[name])] == []
    texts = [(folder / "metrics.jsonl").read_text() for folder in (whole, parts)]
    logs = [[json.loads(line) for line in text.splitlines()] for text in texts]
    assert [[entry["step"] for entry in log] for log in logs] == [[1, 2, 3, 4, 5, 6]] * 2
    assert [entry["error"] for entry in logs[0]] == [entry["error"] for entry in logs[1]]


def test_t26_same_seed_same_weights(jt, tmp_path):
    """T26: two runs at one thread count agree bit for bit."""
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = trained(jt, tmp_path / "a"), trained(jt, tmp_path / "b")
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_t6_a_frozen_backbone_stays_bit_for_bit(jt, tmp_path):
    """T6: after 6 steps with weight decay nothing in it has moved, and the head has."""
    from pipeline.models.weights import named_arrays

    before = named_arrays(toy_network(jt))
    after = trained(jt, tmp_path, frozen=True)
    moved = {name for name in after if not np.array_equal(before[name], after[name])}
    assert moved == {name for name in after if not name.startswith("backbone.")}


def test_t6_everything_moves_when_fine_tuned(jt, tmp_path):
    """T6: every parameter but the unused mask token."""
    from pipeline.models.weights import named_arrays

    before = named_arrays(toy_network(jt))
    after = trained(jt, tmp_path)
    assert {name for name in after if np.array_equal(before[name], after[name])} == {
        "backbone.network.mask_token"
    }


def test_t27_a_loss_that_is_no_number_stops_the_run(jt, tmp_path):
    """T27: the message names the step, the terms and the images; the checkpoint before it stays."""
    from pipeline.weights.arrays import read_arrays

    with pytest.raises(FloatingPointError, match=r"step 4: .*'error': nan.*3-0\.png, 3-1\.png"):
        trained(jt, tmp_path, spoiled=3)
    _, metadata = read_arrays(tmp_path / "checkpoint.safetensors")
    assert metadata["step"] == 3


def test_the_checkpoint_of_another_run_is_refused(jt, tmp_path):
    from pipeline.models.weights import WeightsError

    trained(jt, tmp_path)
    with pytest.raises(WeightsError, match="another configuration"):
        trained(jt, tmp_path, run="other")


def test_t30_a_second_run_compiles_nothing_nor_does_another_size(jt, tmp_path):
    """T30: operators are compiled once, whatever the images' size."""

    def num_compiled() -> int:
        return len(list(Path(jt.flags.cache_path).rglob("*.so")))

    for name in ("first", "second", "wider"):
        (tmp_path / name).mkdir()
    trained(jt, tmp_path / "first")
    before = num_compiled()
    assert before > 20
    trained(jt, tmp_path / "second")
    trained(jt, tmp_path / "wider", width=40)
    assert num_compiled() == before
