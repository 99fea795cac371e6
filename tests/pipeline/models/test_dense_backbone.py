import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig

CONFIG = BackboneConfig(size="custom", image_size=32, patch_size=8, embed_dim=24, depth=6, num_heads=3)


@pytest.fixture
def network(jt):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    made = VisionTransformer(CONFIG)
    initialize(made, seed=1)
    return made


def dense(network, *, tap_norm=True, frozen=False):
    from pipeline.models.dense_backbone import DenseBackbone

    return DenseBackbone(network, tap_norm=tap_norm, frozen=frozen)


def random_images(jt, rng, height, width, batch=2):
    return jt.array(rng.normal(size=(batch, 3, height, width)).astype(np.float32))


def test_t1_no_pixel_is_left_out(jt, rng, network):
    """T1: 75 x 100 px at patch 16 gives a map of 5 x 7, and the last pixels count."""
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    coarse = VisionTransformer(CONFIG.model_copy(update={"patch_size": 16}))
    initialize(coarse, seed=0)
    backbone = dense(coarse)
    images = rng.normal(size=(1, 3, 75, 100)).astype(np.float32)
    before = backbone(jt.array(images))[-1].numpy()
    assert before.shape == (1, 5, 7, 24)
    images[:, :, 74, 99] += 5
    assert np.abs(backbone(jt.array(images))[-1].numpy() - before)[0, 4, 6].max() > 1e-4


def test_t2_rows_stay_rows(jt, network):
    """T2: a vertical stripe in a wide image is a vertical stripe in the map of patch embeddings."""
    images = np.zeros((1, 3, 16, 64), np.float32)
    images[..., 24:32] = 3.0  # the fourth column of patches
    embedded, grid = network.embed(jt.array(images))
    plain, _ = network.embed(jt.zeros((1, 3, 16, 64)))
    assert grid == (2, 8)
    difference = np.abs((embedded - plain).numpy())[0, 1:].max(axis=-1).reshape(grid)
    assert (difference > 1e-3).tolist() == [[column == 3 for column in range(8)]] * 2
    taps = dense(network)(jt.array(images))
    assert [tuple(tap.shape) for tap in taps] == [(1, 2, 8, 24)] * 4


def test_t3_position_embedding_follows_the_grid(jt, network):
    """T3: bicubic resampling to any grid, CLS untouched, the identity where the grids are equal."""
    from pipeline.weights.position_grid import grid_resampling

    own = network.pos_embed.numpy()
    assert np.array_equal(network._positions((4, 4)).numpy(), own)
    wide = network._positions((3, 9)).numpy()
    assert wide.shape == (28, 24)
    assert np.array_equal(wide[0], own[0])
    assert np.allclose(wide[1:], grid_resampling((4, 4), (3, 9)) @ own[1:], atol=1e-6)


def test_t3_position_embedding_equals_torch(jt, network):
    """T3: 14 x 14 -> 32 x 32 equals PyTorch's bicubic resize by size."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.weights.position_grid import grid_resampling

    grid = np.random.default_rng(0).normal(size=(14 * 14, 5))
    expected = torch.nn.functional.interpolate(
        torch.tensor(grid.reshape(1, 14, 14, 5)).permute(0, 3, 1, 2), size=(32, 32), mode="bicubic"
    )
    found = grid_resampling((14, 14), (32, 32)).astype(np.float64) @ grid
    assert np.abs(found.reshape(32, 32, 5) - expected[0].permute(1, 2, 0).numpy()).max() < 1e-5


def test_t3_a_wrong_position_embedding_is_refused(jt, tmp_path, network):
    """T3: weights for another grid do not load in silence."""
    from pipeline.models.backbone_file import FrozenBackbone, load_backbone, save_backbone
    from pipeline.models.weights import WeightsError

    zeros = np.zeros(3, np.float32)
    wrong = CONFIG.model_copy(update={"image_size": 64})
    save_backbone(tmp_path / "b.safetensors", FrozenBackbone(network, wrong, "teacher", zeros, zeros + 1))
    with pytest.raises(WeightsError, match="pos_embed"):
        load_backbone(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(12, (3, 5, 7, 11)), (24, (7, 11, 15, 23)), (6, (1, 2, 3, 5)), (3, (0, 0, 1, 2)), (1, (0, 0, 0, 0))],
)
def test_t5_taps_at_any_depth(jt, depth, blocks):
    """T5: a third, half, two thirds, last."""
    from pipeline.models.vit import tap_blocks

    assert tap_blocks(depth) == blocks


def test_t5_taps_are_the_blocks_tokens_without_cls(jt, rng, network):
    """T5: each tap is its block's patch tokens, with or without the one final norm."""
    images = random_images(jt, rng, 24, 40)
    x, grid = network.embed(images)
    blocks = []
    for block in network.blocks:
        x = block(x)
        blocks.append(x)
    for tap_norm in (False, True):
        taps = dense(network, tap_norm=tap_norm)(images)
        for tap, index in zip(taps, (1, 2, 3, 5), strict=True):
            expected = blocks[index][:, 1:]
            expected = (network.norm(expected) if tap_norm else expected).numpy()
            found = tap.numpy().reshape(2, grid[0] * grid[1], 24)
            assert np.allclose(found, expected, atol=1e-5)


def test_t7_taps_are_tensors_and_the_mask_matters(jt, rng, network):
    """T7: taps and masked forward passes give tensors, and masking changes them."""
    images = random_images(jt, rng, 32, 32)
    assert all(isinstance(tap, jt.Var) for tap in dense(network)(images))
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 1, 2] = True
    changed = np.abs((network(images, jt.array(mask)).patches - network(images).patches).numpy())
    assert changed[0].max() > 1e-4
    assert changed[1].max() == 0


def test_frozen_or_unused_parameters_take_no_gradient(jt, network):
    dense(network, tap_norm=False)
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    everything = {name for name, _ in network.named_parameters()}
    assert everything - trained == {"mask_token", "norm.weight", "norm.bias"}
    dense(network, frozen=True)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_every_parameter_of_the_taps_gets_a_gradient(jt, rng, network):
    backbone = dense(network)
    taps = backbone(random_images(jt, rng, 32, 32))
    loss = sum((tap * jt.array(rng.normal(size=tap.shape).astype(np.float32))).sum() for tap in taps)
    named = [(name, p) for name, p in backbone.named_parameters() if p.requires_grad]
    for (name, _), gradient in zip(named, jt.grad(loss, [p for _, p in named]), strict=True):
        assert np.abs(gradient.numpy()).max() > 0, name


def test_t28_what_was_loaded_is_said_and_a_foreign_file_fails(jt, tmp_path, network):
    """T28: the list of used, unused, missing and unexpected arrays; a file of other arrays does not load."""
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.models.dense_backbone import open_dense_backbone
    from pipeline.weights.arrays import write_arrays
    from pipeline.weights.error import WeightsError

    path, mean, std = tmp_path / "b.safetensors", np.zeros(3, np.float32), np.ones(3, np.float32)
    save_backbone(path, FrozenBackbone(network, CONFIG, "teacher", mean, std))
    backbone, stored = open_dense_backbone(path, tap_norm=False, frozen=True)
    assert stored.weights == "teacher"
    count = len(network.named_parameters())
    assert backbone.described() == (
        f"backbone: {count - 3} of {count} arrays used, frozen; "
        "not used: mask_token, norm.weight, norm.bias; missing: none; unexpected: none"
    )
    metadata = {"architecture": CONFIG.model_dump(mode="json"), "weights": "teacher", "mean": [0], "std": [1]}
    write_arrays(path, {"encoder.weight": np.zeros(3, np.float32)}, metadata)
    with pytest.raises(WeightsError, match=r"missing \['blocks.*unexpected \['encoder.weight'\]"):
        open_dense_backbone(path, tap_norm=True, frozen=False)
