"""What the README names must exist: files, presets, arms and configuration keys."""

import re
from pathlib import Path

import pytest

from pipeline.config.dense import DenseProbeConfig, DetectionSection, SegmentationSection
from pipeline.config.experiment import ARMS, Experiment
from pipeline.config.finetune import FinetuneSection
from pipeline.config.reading import preset_names
from pipeline.config.studies import AblateSection, HeadChanges

ROOT = Path(__file__).resolve().parent.parent
EVERY_SECTION = Experiment(
    name="e",
    segmentation=SegmentationSection(),
    detection=DetectionSection(),
    dense_probe=DenseProbeConfig(),
    finetune=FinetuneSection(),
    ablate=AblateSection(variants={"deep": HeadChanges(depth=6)}),
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Text below a heading, up to the next one."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL).group(1)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:pipeline|stages|tests)/[\w./-]+)`", README))))
def test_paths_exist(path):
    assert (ROOT / path).exists()


def test_files_in_the_tree_exist():
    block = section("The tree").split("```")[1]
    names = set(re.findall(r"\b[\w]+\.(?:py|cpp)\b", block))
    found = {path.name for folder in ("pipeline", "stages") for path in (ROOT / folder).rglob("*")}
    assert len(names) > 30
    assert names - found - {"dodo.py"} == set()


def test_every_preset_and_arm_is_described():
    missing = [name for name in (*preset_names(), *ARMS) if f"`{name}`" not in README]
    assert missing == []


def test_the_reference_names_real_keys_and_their_defaults():
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in section("The experiment file").splitlines() if line.startswith("| ")][1:]  # fmt: skip
    current = ""
    for where, keys, default, _ in rows:
        current = where.strip("`") or current
        config = EVERY_SECTION
        for part in current.split(".") if current != "(top)" else ():
            config = getattr(config, part)
        names = [name for name in re.findall(r"`(\w+)`", keys) if name != "name"]
        assert names or current == "(top)"
        for name in names:
            assert hasattr(config, name), f"{current}.{name}"
        if len(names) == 1 and re.fullmatch(r"[\d.e-]+", default):
            assert getattr(config, names[0]) == float(default), names[0]
        if len(names) == 2 and re.fullmatch(r"[\d.e-]+, [\d.e-]+", default):
            assert [getattr(config, name) for name in names] == [float(part) for part in default.split(", ")]
