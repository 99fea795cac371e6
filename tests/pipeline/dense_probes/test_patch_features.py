import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.dense_probes.patch_features import PatchFeatures, cls_attention, patch_features

CONFIG = BackboneConfig(size="custom", image_size=24, patch_size=6, embed_dim=16, depth=2, num_heads=2)


@pytest.fixture
def network(jt):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG)
    initialize(network, seed=0)
    for block in network.blocks:  # first biases are 0, and would hide a part that is swapped
        bias = np.random.default_rng(1).normal(size=block.attention.qkv.bias.shape)
        block.attention.qkv.bias.assign(jt.array(bias.astype(np.float32)))
    return network


def test_registers_are_attended_to_and_left_out(jt, rng):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG.model_copy(update={"register_tokens": 3}))
    initialize(network, seed=0)
    images = rng.normal(size=(2, 3, 24, 24)).astype(np.float32)
    features = patch_features(network, images)
    expected = network(jt.array(images)).patches.numpy()
    np.testing.assert_allclose(features.tokens.reshape(expected.shape), expected, atol=1e-6)
    last = network.blocks[-1]
    qkv = last.attention.qkv(last.norm_attention(network.blocks[0](network.embed(jt.array(images))[0])))
    queries, keys = qkv[:, 0, :16].numpy(), qkv[:, :, 16:32].numpy()
    np.testing.assert_allclose(features.keys, keys[:, 4:], atol=1e-6)
    weights = cls_attention(queries, keys, 2)
    assert weights.shape == (2, 2, 1 + 3 + 16)
    np.testing.assert_allclose(features.attention.reshape(2, 2, 16), weights[..., 4:], atol=1e-6)


@pytest.mark.parametrize("side", [24, 30])
def test_tokens_are_those_of_the_forward_pass(jt, network, rng, side):
    images = rng.normal(size=(3, 3, side, side)).astype(np.float32)
    features = patch_features(network, images)
    assert features.grid == (side // 6, side // 6)
    expected = network(jt.array(images)).patches.numpy()
    np.testing.assert_allclose(features.tokens.reshape(expected.shape), expected, atol=1e-6)


def test_rows_and_columns_keep_their_order(network, rng):
    """T2: a vertical stripe of pixels changes the embeddings of a column first."""
    plain = rng.normal(size=(1, 3, 24, 24)).astype(np.float32)
    striped = plain.copy()
    striped[..., 6:12] += 5
    change = np.abs(patch_features(network, plain).tokens - patch_features(network, striped).tokens)
    assert change[0].mean(axis=(0, 2)).argmax() == 1


def test_attention_and_keys_make_the_output_of_the_last_block(jt, network, rng):
    # The CLS row of the block's own attention, rebuilt from what the probe computed.
    images = rng.normal(size=(2, 3, 24, 24)).astype(np.float32)
    features = patch_features(network, images)
    last = network.blocks[-1]
    x = network.blocks[0](network.embed(jt.array(images))[0])
    normed = last.norm_attention(x)
    qkv = last.attention.qkv(normed).numpy().astype(np.float64)
    np.testing.assert_allclose(features.keys, qkv[:, 1:, 16:32], atol=1e-6)
    to_patches = features.attention.reshape(2, 2, 16)
    own = 1 - to_patches.sum(axis=2, keepdims=True)
    weights = np.concatenate([own, to_patches], axis=2)  # (B, heads, 1 + N)
    values = qkv[:, :, 32:].reshape(2, 17, 2, 8)
    attended = np.einsum("bhn,bnhd->bhd", weights, values).reshape(2, 16)
    expected = attended @ last.attention.out.weight.numpy().T + last.attention.out.bias.numpy()
    np.testing.assert_allclose(last.attention(normed).numpy()[:, 0], expected, atol=1e-5)


def test_attention_equals_pytorch(rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    query = 4 * rng.normal(size=(2, 12)).astype(np.float32)
    keys = 4 * rng.normal(size=(2, 7, 12)).astype(np.float32)
    q = torch.from_numpy(query).double().reshape(2, 3, 1, 4)
    k = torch.from_numpy(keys).double().reshape(2, 7, 3, 4).transpose(1, 2)
    oracle = torch.softmax(q @ k.transpose(2, 3) / 2, dim=-1)[:, :, 0].numpy()
    np.testing.assert_allclose(cls_attention(query, keys, 3), oracle, atol=1e-6)


def test_parts_and_batches_of_features(rng):
    whole = PatchFeatures(*(rng.normal(size=(5, *shape)) for shape in ((2, 2, 3), (4, 3), (1, 2, 2))))
    again = PatchFeatures.joined([whole[:2], whole[2:]])
    assert len(again) == 5
    for name in ("tokens", "keys", "attention"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
