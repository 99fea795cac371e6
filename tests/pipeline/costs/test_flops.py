import pytest

from benchmarks.step_sizes import step_config
from pipeline.costs.flops import step_flops


def test_a_step_by_hand():
    """One block, width 2, four patches of 2 x 2 pixels, one image: every product written out."""
    config = step_config(
        "toy",
        {
            "backbone": {"image_size": 4, "patch_size": 2, "embed_dim": 2, "depth": 1, "num_heads": 1},
            "crops": {"global_size": 4},
            "auxiliary_head": {"depth": 1, "kernel_size": 3},
            "projection_head": {
                "hidden_dim": 3, "num_layers": 2, "bottleneck_dim": 5, "num_prototypes": 7
            },
            "schedule": {"batch_size": 1},
        },
    )  # fmt: skip
    embedding = 2 * (4 * 12 * 2)  # 4 patches of 12 numbers to 2 channels
    qkv, out, expand, contract = 2 * (5 * 2 * 6), 2 * (5 * 2 * 2), 2 * (5 * 2 * 8), 2 * (5 * 8 * 2)
    attention = 2 * (5 * 2 * 5) + 2 * (5 * 5 * 2)
    block = qkv + out + expand + contract + attention
    head = 2 * (4 * 9 * 2) + 2 * (4 * 2 * 8) + 2 * (4 * 8 * 2)
    to_bottleneck, to_prototypes = 2 * (2 * 3 + 3 * 5), 2 * (5 * 7)
    hidden = 3
    student = (
        3 * (2 * (block + head) + (2 + 2 + hidden) * (to_bottleneck + to_prototypes)) + 2 * 2 * embedding
    )
    teacher = 2 * (embedding + block + head) + 2 * (to_bottleneck + to_prototypes)
    teacher += 8 * to_bottleneck + (hidden + 1) * to_prototypes
    assert step_flops(config, 1, hidden) == student + teacher


def test_vit_small_is_near_its_published_size():
    """ViT-S/16 at 224 pixels: 4.6 G multiplications for a forward pass (Touvron et al. 2021, DeiT-S)."""
    config = step_config("vit-small", {"auxiliary_head": {"depth": 1}})
    deeper = step_config("vit-small", {"auxiliary_head": {"depth": 2}})
    one_image = step_flops(config, 1, 0)
    assert one_image / 8 == pytest.approx(2 * 4.6e9, rel=0.15)  # 2 crops times (3 + 1) forward passes
    assert step_flops(deeper, 1, 0) > one_image
    assert step_flops(config, 8, 0) == pytest.approx(8 * one_image, rel=1e-3)
