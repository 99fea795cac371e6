import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig

CONFIG = BackboneConfig(size="custom", image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=2)


def a_backbone(seed=0):
    from pipeline.models.backbone_file import FrozenBackbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG)
    initialize(network, seed)
    return FrozenBackbone(
        network, CONFIG, "teacher", np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)
    )


def test_backbone_file_round_trip(jt, tmp_path, rng):
    from pipeline.models.backbone_file import load_backbone, save_backbone

    saved = a_backbone()
    save_backbone(tmp_path / "b.safetensors", saved)
    loaded = load_backbone(tmp_path / "b.safetensors")
    image = jt.array(rng.normal(size=(2, 3, 8, 8)).astype(np.float32))
    assert (loaded.config, loaded.weights) == (CONFIG, "teacher")
    assert np.array_equal(loaded.mean, saved.mean)
    assert np.array_equal(loaded.features(image, 1)[0].numpy(), saved.features(image, 1)[0].numpy())


def test_every_misfit_is_listed_and_nothing_changes(jt):
    from pipeline.models.weights import WeightsError, assign_arrays, named_arrays

    network = a_backbone().network
    before = named_arrays(network)
    arrays = dict(before)
    del arrays["cls_token"]
    arrays["clz_token"] = np.zeros((1, 8), np.float32)
    arrays["norm.bias"] = np.zeros(9, np.float32)
    arrays["norm.weight"] = np.zeros(8, np.float64)
    with pytest.raises(WeightsError) as error:
        assign_arrays(network, arrays, "there.safetensors")
    for part in (
        "there.safetensors",
        "missing ['cls_token']",
        "unexpected ['clz_token']",
        "(9,) float32",
        "float64",
    ):
        assert part in str(error.value)
    assert all(np.array_equal(before[name], value) for name, value in named_arrays(network).items())


def test_assigning_keeps_parameters_trainable(jt):
    """A student that stops learning after a load is the official code's silent fault."""
    from pipeline.models.weights import assign_arrays, named_arrays

    network = a_backbone().network
    assign_arrays(network, named_arrays(a_backbone(seed=1).network), "test")
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_truncated_or_foreign_file_is_refused(jt, tmp_path):
    from pipeline.models.backbone_file import load_backbone, save_backbone
    from pipeline.weights.arrays import write_arrays
    from pipeline.weights.error import WeightsError

    path = tmp_path / "b.safetensors"
    save_backbone(path, a_backbone())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match=r"b\.safetensors: not a readable safetensors file"):
        load_backbone(path)
    write_arrays(path, {"a": np.zeros(1, np.float32)}, {})
    with pytest.raises(WeightsError, match="no backbone of this project"):
        load_backbone(path)


def test_equal_contents_give_equal_bytes(tmp_path):
    from pipeline.weights.arrays import read_arrays, write_arrays

    arrays = {name: np.arange(3, dtype=np.float32) for name in "bca"}
    metadata = {name: [name] for name in "zyxwvu"}
    for index in range(8):
        write_arrays(tmp_path / f"{index}.safetensors", arrays, metadata)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert read_arrays(tmp_path / "0.safetensors")[1] == metadata
