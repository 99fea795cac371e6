"""The linear probe on random crops: turned to the identity, it is the one on cached features."""

import json

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.linear_augmented import LinearAugmentedConfig, LinearAugmentedSection
from pipeline.config.stages import FeaturesConfig, InitializeConfig, RuntimeConfig
from pipeline.evaluate.feature_files import read_features
from pipeline.evaluate.probes.linear import SEED
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.weights.error import WeightsError
from stages import features, initialize, linear_augmented, probe

RUNTIME = RuntimeConfig(threads=1)
FEATURES = FeaturesConfig(resize=24, crop_size=24, num_blocks=2, batch_size=5)
# Batches of 16 are cut into forward passes of 5, and the last of an epoch is smaller.
LINEAR = LinearConfig(
    epochs=3,
    batch_size=16,
    base_lrs=(1e-4, 1e-3, 1e-2, 1.0),
    num_blocks=2,
    average_pool=True,
    num_bootstrap=9,
)
IDENTITY = LinearAugmentedSection(scale=(1.0, 1.0), aspect_ratio=(1.0, 1.0), flip_probability=0.0)


@pytest.fixture(scope="module")
def computed(jt, tiny_prepared, tmp_path_factory):
    """Folders of a random backbone and its features."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("initialize", "features")}
    architecture = BackboneConfig(
        size="custom", image_size=24, patch_size=6, embed_dim=24, depth=2, num_heads=3
    )
    start = InitializeConfig(backbone=architecture, normalization="dataset", seed=3)
    initialize.run(start, made["initialize"], data=tiny_prepared, runtime=RUNTIME)
    features.run(FEATURES, made["features"], backbone=made["initialize"], data=tiny_prepared, runtime=RUNTIME)
    return made


def augmented(computed, data, folder, views):
    folder.mkdir()
    config = LinearAugmentedConfig(views=views, linear=LINEAR, features=FEATURES)
    linear_augmented.run(
        config, folder, features=computed["features"], backbone=computed["initialize"], data=data,
        runtime=RUNTIME,
    )  # fmt: skip
    return read(folder)


def read(folder):
    rows, sweep = (json.loads((folder / name).read_text()) for name in ("rows.json", "sweep.json"))
    return rows, sweep


def test_the_identity_is_the_cached_protocol(computed, tiny_prepared, tmp_path):
    found, sweep = augmented(computed, tiny_prepared, tmp_path / "augmented", IDENTITY)
    cached = tmp_path / "cached"
    cached.mkdir()
    probe.run(LINEAR, cached, features=computed["features"], runtime=RUNTIME)
    expected, expected_sweep = read(cached)
    # Cut out of the same pixels by the same code; every rate's accuracies, not only the chosen one's.
    assert sweep == expected_sweep
    assert [row["value"] for row in found] == [row["value"] for row in expected]
    assert len({entry["test"] for entry in sweep}) > 1
    # Tables never mix the two.
    assert {row["task"] for row in found} == {"linear-augmented"}
    assert {row["task"] for row in expected} == {"linear"}
    assert "no augmentation" in expected[0]["protocol"]
    assert "random crops of 1-1 of the image, flips with 0" in found[0]["protocol"]


def test_weights_of_the_identity_are_those_of_the_cached_protocol(computed, tiny_prepared):
    import jittor as jt

    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.augmented_rows import AugmentedRows
    from pipeline.evaluate.linear_probe import train_sweep
    from pipeline.models.backbone_file import load_backbone

    frozen = load_backbone(computed["initialize"] / "backbone.safetensors")
    stored = read_features(computed["features"]).train
    rows = AugmentedRows(
        PreparedDataset.open(tiny_prepared), stored.index,
        LinearAugmentedConfig(views=IDENTITY, linear=LINEAR, features=FEATURES), frozen.mean, frozen.std,
        lambda images: tuple(part.numpy() for part in frozen.features(jt.array(images), 2)),
        frozen.config.dim, 1, 0,
    )  # fmt: skip
    cached = stored.joined(2, average_pool=True)
    assert rows.shape == cached.shape
    sweeps = [
        train_sweep(each, stored.labels, LINEAR, num_classes=3, rng=np.random.default_rng(0))
        for each in (rows, cached)
    ]
    np.testing.assert_allclose(sweeps[0].weights, sweeps[1].weights, atol=1e-5)


def test_crops_are_drawn_anew_and_are_the_same_for_every_arm(computed, tiny_prepared, tmp_path):
    views = LinearAugmentedSection()
    one, sweep = augmented(computed, tiny_prepared, tmp_path / "one", views)
    two, again = augmented(computed, tiny_prepared, tmp_path / "two", views)
    assert (one, sweep) == (two, again)
    _, identity = augmented(computed, tiny_prepared, tmp_path / "identity", IDENTITY)
    assert sweep != identity


def test_where_every_rate_diverges_the_same_crops_lead_to_the_step(computed, tiny_prepared, tmp_path):
    """From a checkpoint as from the start, the step and the images of the first weight that is not finite."""
    linear = LINEAR.model_copy(update={"base_lrs": (3e38, 2e38)})
    config = LinearAugmentedConfig(views=LinearAugmentedSection(), linear=linear, features=FEATURES)
    given = {"features": computed["features"], "backbone": computed["initialize"], "data": tiny_prepared}
    messages = []
    for _ in range(2):
        with pytest.raises(FloatingPointError) as caught:
            linear_augmented.run(config, tmp_path, **given, runtime=EVERY_BATCH)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    start = "the linear probe diverged at every learning rate; at the smallest, 2e+38, in step "
    assert messages[0].startswith(start)
    step = int(messages[0].removeprefix(start).partition(":")[0])
    index = read_features(computed["features"]).train.index
    rng = np.random.default_rng(SEED)
    rng.normal(size=(24 * 3, 3))  # the first weights
    order = np.concatenate([index[rng.permutation(len(index))] for _ in range(LINEAR.epochs)])
    per_epoch = -(-len(index) // LINEAR.batch_size)
    epoch, place = divmod(step - 1, per_epoch)
    first = epoch * len(index) + place * LINEAR.batch_size
    rows = order[first : min(first + LINEAR.batch_size, (epoch + 1) * len(index))]
    named = ", ".join(map(str, rows[:8])) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
    assert f"after the images in rows {named} of the data set" in messages[0]


def test_shares_above_the_whole_image_are_refused():
    with pytest.raises(ValueError, match=r"scale must be \(low, high\), at most 1"):
        LinearAugmentedSection(scale=(0.5, 1.5))


EVERY_BATCH = RuntimeConfig(threads=1, checkpoint_every_minutes=1e-9)


class KilledError(Exception):
    pass


@pytest.fixture
def run(computed, tiny_prepared, tmp_path, monkeypatch):
    """Run the stage into a folder; return its trained weights, its files, and how many batches it read."""
    from pipeline.evaluate.augmented_rows import AugmentedRows
    from pipeline.evaluate.probes import linear

    swept, read_batches = [], []
    predict, rows = linear.predict, AugmentedRows.__getitem__
    monkeypatch.setattr(linear, "predict", lambda sweep, of: swept.append(sweep) or predict(sweep, of))
    monkeypatch.setattr(
        AugmentedRows, "__getitem__", lambda self, chosen: read_batches.append(1) or rows(self, chosen)
    )

    def made(name, linear=LINEAR):
        (tmp_path / name).mkdir(exist_ok=True)
        read_batches.clear()
        config = LinearAugmentedConfig(views=LinearAugmentedSection(), linear=linear, features=FEATURES)
        linear_augmented.run(
            config, tmp_path / name, features=computed["features"], backbone=computed["initialize"],
            data=tiny_prepared, runtime=EVERY_BATCH,
        )  # fmt: skip
        return swept[-1], read(tmp_path / name), len(read_batches)

    return made


def kill_after(monkeypatch, num_batches):
    from pipeline.evaluate.sweep_checkpoint import SweepCheckpoint

    save = SweepCheckpoint.save

    def kept(self, state, done):
        save(self, state, done)
        if done == num_batches:
            raise KilledError

    monkeypatch.setattr(SweepCheckpoint, "save", kept)


def test_a_killed_sweep_goes_on(run, tmp_path, monkeypatch):
    whole, files, total = run("whole")
    assert not list((tmp_path / "whole").glob("checkpoint*"))
    with monkeypatch.context() as patched:
        kill_after(patched, total // 2)  # in the middle of an epoch: there are three
        with pytest.raises(KilledError):
            run("killed")
    assert (tmp_path / "killed/checkpoint.safetensors").is_file()
    resumed, again, num_read = run("killed")
    assert num_read == total - total // 2
    assert again == files
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    np.testing.assert_array_equal(resumed.biases, whole.biases)


def test_a_checkpoint_of_other_settings_is_refused(run, monkeypatch):
    with monkeypatch.context() as patched:
        kill_after(patched, 1)
        with pytest.raises(KilledError):
            run("killed")
    with pytest.raises(WeightsError, match="belongs to another configuration; delete it"):
        run("killed", LINEAR.model_copy(update={"momentum": 0.5}))
