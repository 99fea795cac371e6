from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.config.experiment import Experiment
from pipeline.costs.available import Available
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node_facts import backbone_of
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.shortages import Shortages
from pipeline.weights.stored_tensor import StoredTensor

ROOT = Path(__file__).resolve().parents[3]
DIM, SIDE = 64, 16
SECTIONS = {"name": "e", "arms": ["ibot", "theirs"], "baseline": "ibot", "runtime": {"device": "cpu"}}


@pytest.fixture
def their_vit(tmp_path):
    """A file of timm's names: a ViT of two blocks of 64 channels, at 224 pixels."""
    shapes = {
        "cls_token": (1, 1, DIM), "pos_embed": (1, 1 + 14**2, DIM),
        "norm.weight": (DIM,), "norm.bias": (DIM,),
        "patch_embed.proj.weight": (DIM, 3, SIDE, SIDE), "patch_embed.proj.bias": (DIM,),
    }  # fmt: skip
    for index in range(2):
        layers = {"norm1": (DIM,), "norm2": (DIM,), "attn.qkv": (3 * DIM, DIM), "attn.proj": (DIM, DIM)}
        for name, shape in (layers | {"mlp.fc1": (4 * DIM, DIM), "mlp.fc2": (DIM, 4 * DIM)}).items():
            shapes |= {f"blocks.{index}.{name}.weight": shape, f"blocks.{index}.{name}.bias": shape[:1]}
    save_file(
        {name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "vit.safetensors"
    )
    return tmp_path / "vit.safetensors"


def test_a_base_of_a_file_that_is_not_there_is_not_known():
    experiment = Experiment.model_validate(SECTIONS | {"weights": {"theirs": {"source": "their.pth"}}})
    of_file, of_arm = [], []
    for node in experiment_nodes(experiment):
        if node.stage in ("features", "knn"):
            (of_file if node.key.arm == "theirs" else of_arm).append(backbone_of(node))
    assert of_file == [None, None]
    assert of_arm == [experiment.backbone] * 2


def test_a_base_of_a_file_is_known_by_its_shapes_alone(their_vit, monkeypatch):
    monkeypatch.setattr(StoredTensor, "array", lambda self: pytest.fail("numbers were read"))
    experiment = Experiment.model_validate(SECTIONS | {"weights": {"theirs": {"source": str(their_vit)}}})
    (found,) = {
        backbone_of(node)
        for node in experiment_nodes(experiment)
        if node.stage == "features" and node.key.arm == "theirs"
    }
    sizes = found.kind, found.embed_dim, found.depth, found.image_size, found.patch_size, found.num_heads
    assert sizes == ("vit", DIM, 2, 224, SIDE, 1)


def test_too_little_memory_for_a_base_of_a_file_is_said_before_anything_runs(their_vit, tmp_path):
    sections = SECTIONS | {"weights": {"theirs": {"source": str(their_vit)}}, "finetune": {}}
    nodes = experiment_nodes(Experiment.model_validate(sections))
    graph = Graph(nodes, tmp_path / "results", code=CodeDigests(ROOT), listing=lambda config: "l")
    available = lambda *_: Available(2**29, "available on this machine")  # noqa: E731
    (node,) = (node for node in nodes if (node.stage, node.key.arm) == ("finetune", "theirs"))
    kept = 1024 * 2 * (14**2 + 1) * (6 + 4) * DIM * 4 / 2**30  # images, blocks, tokens, numbers of a token
    assert Shortages(graph, available, available).before(node) == [
        f"finetune:theirs-seed0: needs at least {kept:.1f} GiB of memory, 0.5 GiB are available on this "
        "machine. Remedy: raise finetune.schedule.accumulation_steps"
    ]
