"""Operations of a step: by hand, against PyTorch's counter over the oracles' forward and backward passes."""

from types import SimpleNamespace

import pytest

from pipeline.config.backbone import BASES
from pipeline.config.experiment import ARMS, Experiment
from pipeline.config.models import AUXILIARY_HEADS
from pipeline.costs import pretraining
from pipeline.costs.pretraining import expected_hidden, step_operations, unneeded_operations
from tests.pipeline.costs.torch_counter import counted
from tests.pipeline.pretrain.small_run import SMALL_METHODS, a_batch_of_method, config_of_method, small_config

MISSING = "the optional `parity` extra (PyTorch) is not installed"


def experiment(**sections) -> Experiment:
    few = {"features": {"num_blocks": 1}, "linear": {"num_blocks": 1}}  # as many as any base has
    return Experiment.model_validate({"name": "e", **few, **sections})


def test_a_step_of_ibot_by_hand():
    """One block, width 2, four patches of 2 x 2 pixels, one image: every product written out."""
    config = small_config(
        backbone={
            "size": "custom", "image_size": 4, "patch_size": 2, "embed_dim": 2, "depth": 1, "num_heads": 1
        },
        auxiliary_head={"depth": 1, "kernel_size": 3},
        projection_head={"hidden_dim": 3, "num_layers": 2, "bottleneck_dim": 5, "num_prototypes": 7},
        crops={"global_size": 4, "num_local": 0},
        schedule={"batch_size": 1},
    )  # fmt: skip
    embedding = 2 * (4 * 12 * 2)  # 4 patches of 12 numbers to 2 channels
    qkv, out, expand, contract = 2 * (5 * 2 * 6), 2 * (5 * 2 * 2), 2 * (5 * 2 * 8), 2 * (5 * 8 * 2)
    attention = 2 * (5 * 2 * 5) + 2 * (5 * 5 * 2)
    block = qkv + out + expand + contract + attention
    head = 2 * (4 * 9 * 2) + 2 * (4 * 2 * 8) + 2 * (1 * 8 * 2)  # its last layer maps one mean of each crop
    to_bottleneck, to_prototypes = 2 * (2 * 3 + 3 * 5), 2 * (5 * 7)
    hidden = 3
    student = (
        3 * (2 * (block + head) + (2 + 2 + hidden) * (to_bottleneck + to_prototypes)) + 2 * 2 * embedding
    )
    teacher = 2 * (embedding + block + head) + 2 * (to_bottleneck + to_prototypes)
    teacher += 8 * to_bottleneck + (hidden + 1) * to_prototypes
    assert step_operations(config, hidden) == student + teacher
    # Two local crops of one patch: two tokens of the base, one place of the head, no patch and no teacher.
    local = config.model_copy(
        update={"crops": config.crops.model_copy(update={"num_local": 2, "local_size": 2})}
    )
    linear = 2 * (2 * 2 * (6 + 2 + 8 + 8))
    small = linear + 2 * 2 * (2 * 2 * 2) + 2 * (9 * 2 + 2 * 8 + 8 * 2)
    small = 3 * (small + 2 * (to_bottleneck + to_prototypes)) + 2 * embedding / 4
    assert step_operations(local, hidden) == student + teacher + 2 * small
    # Without a head, the last block computes CLS and the hidden patches alone behind its attention: 2 and 3
    # of 10 tokens. All 10 in the teacher, which projects its patches.
    alone = config.model_copy(update={"auxiliary_head": None})
    whole = 3 * (2 * block + (2 + hidden) * (to_bottleneck + to_prototypes)) + 2 * 2 * embedding
    saved = 3 * 5 * 2 * (2 * 2 + 2 * 8 + 8 * 2)
    assert unneeded_operations(alone, hidden) == saved
    teacher_alone = teacher - 2 * head
    assert step_operations(alone, hidden) == whole - saved + teacher_alone
    # DINO: no patch is projected.
    dino = config.model_copy(update={"objective": config.objective.model_copy(update={"patch_weight": 0.0})})
    patches = 3 * hidden * (to_bottleneck + to_prototypes) + 8 * to_bottleneck + (hidden + 1) * to_prototypes
    assert step_operations(dino) == student + teacher - patches
    # A batch norm in the projection: student and teacher project all 5 base tokens of both crops together.
    normed = config.model_copy(
        update={"projection_head": config.projection_head.model_copy(update={"norm": "batch"})}
    )
    more = 3 * (8 - hidden) * to_bottleneck + 2 * to_bottleneck
    assert step_operations(normed, hidden) == student + teacher + more


@pytest.mark.slow
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("name", list(SMALL_METHODS))
def test_methods_as_counted(jt, rng, monkeypatch, name, head):
    torch = pytest.importorskip("torch", reason=MISSING)
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state
    from tests.oracles import torch_hssl
    from tests.oracles.torch_methods import losses

    encode, encoded = torch_hssl.encode, {}

    def encode_once(p, config, crops):
        """For its two projectors, the oracle passes each view through base and head twice."""
        key = id(p), crops.data_ptr()
        if key not in encoded:
            encoded[key] = encode(p, config, crops)
        return encoded[key]

    monkeypatch.setattr(torch_hssl, "encode", encode_once)
    config = config_of_method(name, head=head)
    state, batch = initial_state(config), a_batch_of_method(config, rng)
    student = {n: torch.tensor(a).double().requires_grad_() for n, a in named_arrays(state.student).items()}
    teacher = None
    if state.teacher is not None:
        teacher = {n: torch.tensor(a).double() for n, a in named_arrays(state.teacher).items()}
    crops = torch.tensor(batch.global_crops).double()
    wide = SimpleNamespace(global_crops=crops, masks=torch.tensor(batch.masks))

    def step():
        losses(student, teacher, config, wide)["total"].backward()

    # The oracle's networks return every token.
    assert step_operations(config) + unneeded_operations(config) == counted(step)


def test_every_arm_base_and_head_has_a_count():
    for kind in BASES:
        for head in AUXILIARY_HEADS:
            every = experiment(backbone={"kind": kind}, auxiliary_head={"kind": head}, arms=list(ARMS))
            for arm, words in ARMS.items():
                if words.pretrained:
                    assert step_operations(every.pretrain_config(arm, seed=0)) > 1e9, (kind, head, arm)


@pytest.mark.parametrize("arm", [arm for arm in ARMS if ARMS[arm].pretrained])
def test_scale(arm):
    """Four times the images: four times the products, but for those between images. Twice a wide width:
    nearly four times."""

    def operations(batch=8, dim=384, **sections):
        backbone = {"size": "custom", "embed_dim": dim, "depth": 12, "num_heads": 6}
        sizes = {"backbone": backbone, "mae": {"decoder_dim": dim}, "schedule": {"batch_size": batch}}
        made = experiment(**sizes, **sections)
        return step_operations(made.pretrain_config(arm, seed=0))

    assert operations(32) / operations(8) == pytest.approx(4, rel=1e-3)
    assert 3 < operations(dim=1536) / operations(dim=768) < 4
    local = operations(crops={"num_local": 6}) / operations()
    assert local > 1.2 if arm in ("ibot", "hssl", "dino", "hssl-dino") else local == 1


def test_mae_saves_what_it_does_not_see():
    """75 % hidden: the ViT computes a quarter of its tokens, another base all of its places."""

    def share(**backbone):
        made = [
            experiment(backbone=backbone, mae={"mask_ratio": ratio, "decoder_depth": 1, "decoder_dim": 16})
            for ratio in (0.75, 0.03)
        ]
        seldom, all_seen = (step_operations(each.pretrain_config("mae", seed=0)) for each in made)
        return seldom / all_seen

    assert 0.2 < share() < 0.3
    assert share(kind="swin") == pytest.approx(1, rel=0.02)


def test_vit_small_is_near_its_published_size():
    """ViT-S/16 at 224 pixels: 4.6 G multiplications for a forward pass (Touvron et al. 2021, DeiT-S)."""
    config = experiment(schedule={"batch_size": 1}).pretrain_config("ibot", seed=0)
    # 2 crops, each three forward passes of the student and one of the teacher; projected patches beside them.
    assert step_operations(config, 0) / 8 == pytest.approx(2 * 4.6e9, rel=0.1)


def test_block_masks_hide_so_many_on_average():
    config = experiment(schedule={"batch_size": 8}).pretrain_config("ibot", seed=0)
    assert expected_hidden(config) == pytest.approx(0.15 * 16 * 196)


def test_a_method_that_is_not_counted_is_named(monkeypatch):
    config = experiment().pretrain_config("byol", seed=0)
    assert pretraining.is_counted(config)
    monkeypatch.delitem(pretraining._OTHERS, "byol")
    assert not pretraining.is_counted(config)
    with pytest.raises(ValueError, match="'byol' are not counted"):
        step_operations(config)
