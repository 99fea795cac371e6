"""`doit run anchors` from toy files in the layouts of DINO and iBOT to the comparison, by the real stages."""

import collections
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_networks as networks  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENT = """
extends = "smoke"
arms = ["dino-s16", "ibot-b16"]
baseline = "dino-s16"
segmentation = false
detection = false
dense_probe = false

[weights.dino-s16]
source = "dino.pth"
num_heads = 2

[weights.ibot-b16]
source = "ibot.pth"
num_heads = 2

[anchors]
dino-s16 = "dino-vit-small-16"
ibot-b16 = "ibot-vit-base-16"

[linear_augmented]
[linear]
epochs = 2
"""

pytestmark = pytest.mark.slow


def test_toy_files_of_both_layouts_end_beside_the_published_numbers(tmp_path):
    for folder in ("pipeline", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", tmp_path)
    sizes = {"patch": 8, "image_size": 32}
    state = networks.randomised(networks.TimmVit(**sizes), seed=1).state_dict()
    torch.save(state, tmp_path / "dino.pth")  # as DINO releases a backbone
    student = networks.randomised(networks.TimmVit(**sizes), seed=2).state_dict()
    of_head = {"head.last_layer.weight_v": torch.randn(5, 8)}
    teacher = collections.OrderedDict({f"backbone.{name}": value for name, value in state.items()} | of_head)
    saved = {"student": {f"module.backbone.{name}": value for name, value in student.items()}}
    torch.save(saved | {"teacher": teacher, "epoch": 3}, tmp_path / "ibot.pth")  # as iBOT trains
    (tmp_path / "toy.toml").write_text(EXPERIMENT)
    done = subprocess.run(
        [sys.executable, "-m", "doit", "run", "anchors", "experiment=toy.toml"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "None was reproduced by the authors of this project" in " ".join(done.stdout.split())
    lines = json.loads((tmp_path / "results/toy/anchors.json").read_text())
    by_number = {(line["arm"], line["task"]): line for line in lines}
    assert len(by_number) == len(lines) == 7
    for arm, task in (
        ("dino-s16", "knn"),
        ("dino-s16", "linear-augmented"),
        ("ibot-b16", "linear-augmented"),
    ):
        line = by_number[arm, task]
        assert 0 < line["measured"] < 1
        assert line["result"].startswith("not comparable: the file holds a vit of 32 channels, 3 blocks")
        assert "256 test images, there 50000" in line["result"]
    missing = by_number["ibot-b16", "segment-uper-finetuned"]
    assert missing["result"] == "not run: the experiment has no [segmentation]"
    table = json.loads((tmp_path / "results/toy/table.json").read_text())
    values = {(row["arm"], row["task"], row["metric"]): row["value"] for row in table}
    assert by_number["dino-s16", "knn"]["measured"] == values["dino-s16", "knn", "top1"]
    # One base in both files: the same features, whatever the layout.
    assert values["dino-s16", "knn", "top1"] == values["ibot-b16", "knn", "top1"]
    # iBOT's two linear protocols stand in rows of their own.
    assert {("dino-s16", "linear", "top1"), ("dino-s16", "linear-augmented", "top1")} <= values.keys()
