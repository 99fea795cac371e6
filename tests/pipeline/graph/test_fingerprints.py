"""What retires an artifact, and what leaves it alone, over the real tree."""

import json
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.reading import read_experiment
from pipeline.config.section import Section, readable_values
from pipeline.config.stages import ScheduleConfig
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.study_nodes import study_nodes

ROOT = Path(__file__).resolve().parents[3]
# Every kind of stage, and arms of several methods.
SECTIONS = {
    "name": "e",
    "arms": ["random", "ibot", "hssl", "mae"],
    "segmentation": {},
    "detection": {},
    "dense_probe": {},
    "finetune": {},
    "linear_augmented": {},
    "label_shares": [1.0, 0.1],
    "evaluate": [{"name": "flowers", "data": {"source": "f"}, "tasks": ["few-shot"]}],
    "ablate": {"product": {"depth": [1, 2]}},
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the code, to be edited."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("pipeline", "stages"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    CodeDigests(root, root / "memo.json").save()
    return root


def graph_of(root: Path, **changes) -> Graph:
    experiment = Experiment.model_validate(SECTIONS | changes)
    nodes = experiment_nodes(experiment)
    nodes += study_nodes(experiment, nodes)
    code = CodeDigests(root, root / "memo.json")
    graph = Graph(nodes, root / "results", code=code, listing=lambda config: "listing")
    graph._identity = lambda node: graph.fingerprint(node)  # as if everything was prepared
    return graph


def fingerprints(root: Path, **changes) -> dict[str, str]:
    graph = graph_of(root, **changes)
    found = {node.label: graph.fingerprint(node) for node in graph.nodes}
    graph.code.save()
    return found


@pytest.fixture(scope="module")
def unedited(tree) -> dict[str, str]:
    """Fingerprints of the copy as it is."""
    return fingerprints(tree)


def changed(root: Path, before: dict[str, str], edits: dict[str, tuple[str, str]], **changes) -> set[str]:
    """Labels of the nodes that edits of files retire; (old, new) text, or ("", whole new file)."""
    originals = {}
    for name, (old, new) in edits.items():
        path = root / name
        originals[path] = path.read_text() if path.is_file() else None
        if old:
            assert old in originals[path], f"{name} no longer has {old!r}"
        path.write_text(originals[path].replace(old, new) if old else new)
    after = fingerprints(root, **changes)
    for path, text in originals.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    return {label for label in before if before[label] != after[label]}


def trainings(labels: set[str]) -> set[str]:
    """Those of pretrainings, also of the studies', and of what comes before them."""
    stages = ("pretrain", "search-train", "initialize")
    return {each for each in labels if each.removeprefix("studies:").replace(":", "-").startswith(stages)}


# file, text, new text
ADDITIONS = {
    "a head": {
        "pipeline/models/auxiliary_heads/kinds.py": (
            "BLOCKS: dict[str, type[BlockKind]] = {\n",
            "class New(BlockKind):\n"
            "    block = 'pipeline.models.auxiliary_heads.new:New'\n\n\n"
            'BLOCKS: dict[str, type[BlockKind]] = {\n    "new": New,\n',
        ),
        "pipeline/models/auxiliary_heads/new.py": ("", "class New:\n    pass\n"),
    },
    "a method": {
        "pipeline/pretrain/methods/settings.py": (
            "METHODS: dict[str, type[MethodSection]] = {\n",
            "class NewConfig(MethodSection):\n"
            "    implementation = 'pipeline.pretrain.methods.new:New'\n\n\n"
            'METHODS: dict[str, type[MethodSection]] = {\n    "new": NewConfig,\n',
        ),
        "pipeline/pretrain/methods/new.py": ("", "class New:\n    pass\n"),
    },
    "an arm": {
        "pipeline/pretrain/methods/settings.py": ('"ibot": Arm()', '"new": Arm(),\n    "ibot": Arm()'),
    },
    "a base": {
        "pipeline/models/backbones/__init__.py": (
            '    "resnet": ResNet,\n', '    "resnet": ResNet,\n    "new": ResNet,\n'
        ),
    },
    "a probe": {
        "pipeline/evaluate/probes/settings.py": (
            "@dataclass(frozen=True)\nclass Probe:\n",
            "class NewConfig(ProbeSection):\n"
            "    implementation = 'pipeline.evaluate.probes.new:probe_new'\n\n\n"
            "@dataclass(frozen=True)\nclass Probe:\n",
        ),
        "pipeline/evaluate/probes/new.py": ("", "def probe_new():\n    return 1\n"),
    },
    "a reader": {"pipeline/datasets/new_layout.py": ("", "def read():\n    return 1\n")},
    "a plot": {"pipeline/pretrain/curves.py": ("figsize=(12, 4 * num_rows)", "figsize=(14, 4 * num_rows)")},
    "how images are drawn again": {
        "pipeline/measures/intervals/resamples.py": ("RESAMPLING_SEED = 95", "RESAMPLING_SEED = 96")
    },
    "a column": {"pipeline/measures/measure.py": ('"protocol": measure.protocol,', '"protocol": "new",')},
    "a column of the table": {"pipeline/report/table_files.py": ('"task", "metric",', '"task", "measure",')},
}  # fmt: skip


@pytest.mark.parametrize("what", ADDITIONS)
def test_additions_retire_no_pretraining(tree, unedited, what):
    assert trainings(changed(tree, unedited, ADDITIONS[what])) == set()


OF_TABLES = {"tables", "ablate", "search", "search-validate", "report"}


def test_how_intervals_are_computed_retires_tables_alone(tree, unedited):
    folder = "pipeline/measures/intervals"
    edits = {
        f"{folder}/percentiles.py": ("    tail = ", "    new = 1\n    tail = "),
        f"{folder}/centred.py": ("import numpy as np\n", "import numpy as np\n\nNEW = 1\n"),
        f"{folder}/values_and_differences.py": ("ONE_SEED = 95", "ONE_SEED = 96"),
    }
    assert changed(tree, unedited, edits) == OF_TABLES


def test_confidence_retires_tables_alone(tree, unedited):
    after = fingerprints(tree, tables={"confidence": 0.8})
    assert {label for label in unedited if unedited[label] != after[label]} == OF_TABLES


def test_a_floor_more_retires_what_collects_the_arms_alone(tree, unedited):
    more = fingerprints(tree, arms=[*SECTIONS["arms"], "pixels"])
    assert {label for label in unedited if unedited[label] != more[label]} == {"tables", "report"}
    assert {label for label in more if label not in unedited} == {
        "pixels:images", "knn:pixels-seed0", "knn:10pct-pixels-seed0",
        "pixels:flowers", "few-shot:flowers-pixels-seed0",
    }  # fmt: skip


def test_the_drawing_of_curves_retires_the_curves_alone(tree, unedited):
    retired = changed(tree, unedited, ADDITIONS["a plot"])
    assert {label.split(":")[0] for label in retired} == {"curves", "tables", "report"}


# File -> arms that run it.
EDITS = {
    "pipeline/models/auxiliary_heads/convnext.py": {"hssl"},
    "pipeline/models/auxiliary_heads/separable.py": set(),
    "pipeline/models/backbones/resnet.py": set(),
    "pipeline/models/mae.py": {"mae"},
    "pipeline/pretrain/methods/byol.py": set(),
    "pipeline/pretrain/methods/ibot.py": {"ibot", "hssl"},
    "pipeline/pretrain/methods/mae.py": {"mae"},
    "pipeline/pretrain/methods/method.py": {"ibot", "hssl", "mae"},
    "pipeline/optim/param_groups.py": {"ibot", "hssl", "mae"},
    # The monitor is off.
    "pipeline/evaluate/knn.py": set(),
    "pipeline/views/pictures.py": set(),
    "pipeline/pretrain/monitor/measures.py": set(),
}


@pytest.mark.parametrize("file", EDITS)
def test_edits_retire_exactly_the_arms_that_use_them(tree, unedited, file):
    text = (ROOT / file).read_text()
    edit = {file: (text, f"{text}\nNEW = 1\n")}
    retired = {label for label in changed(tree, unedited, edit) if label.startswith("pretrain:")}
    assert retired == {f"pretrain:{arm}-seed0" for arm in EDITS[file]}


def _held(value) -> Iterator[Section]:
    """Sections in a section, itself among them."""
    if isinstance(value, Section):
        yield value
        value = dict(value)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        yield from _held(each)


NODES = experiment_nodes(Experiment.model_validate(SECTIONS))
NODES += study_nodes(Experiment.model_validate(SECTIONS), NODES)
HELD = {type(section): section for node in NODES for section in _held(node.config)}
COMPUTED = {
    f"{section.__name__}.{name}": (section, name)
    for section in HELD
    for name, member in vars(section).items()
    if isinstance(member, property | cached_property)
}


@pytest.mark.parametrize("computed", COMPUTED)
def test_what_a_section_computes_is_in_the_fingerprint(computed):
    section, name = COMPUTED[computed]
    held = HELD[section]
    assert readable_values(held)[name] == readable_values(getattr(held, name))


@pytest.mark.parametrize(
    ("section", "name", "another"),
    [
        (ScheduleConfig, "peak_lr", lambda self: self.base_lr * self.batch_size / 512),
        (AuxiliaryHeadConfig, "shortcuts", lambda self: (True,) * self.depth),
        (BackboneConfig, "map_heads", lambda self: 1),
    ],
)
def test_another_computation_retires_the_stages_that_read_it(
    tree, unedited, section, name, another, monkeypatch
):
    monkeypatch.setattr(section, name, property(another))
    after = fingerprints(tree)
    retired = {label for label in unedited if unedited[label] != after[label]}
    assert "pretrain:hssl-seed0" in retired
    assert ("pretrain:ibot-seed0" in retired) == (section is not AuxiliaryHeadConfig)
    assert not any(label.startswith("prepare") for label in retired)


def test_the_monitor_retires_trainings_where_it_is_on_and_loggers_retire_nothing(tree):
    plain = fingerprints(tree)
    assert fingerprints(tree, runtime={"loggers": ["wandb"]}) == plain
    off = fingerprints(tree, monitor={"num_images": 99, "k": 3})
    assert {label for label in plain if plain[label] != off[label]} == {"report"}  # it shows all settings
    on = fingerprints(tree, monitor={"every_epochs": 5})
    retired = {label for label in plain if plain[label] != on[label]}
    assert {"pretrain:ibot-seed0", "pretrain:hssl-seed0", "curves:hssl-seed0"} <= retired
    assert not any(label.startswith(("prepare", "initialize", "search-train")) for label in retired)


def test_what_the_monitor_runs_retires_trainings_where_it_is_on(tree):
    monitor = {"every_epochs": 5}
    file = "pipeline/evaluate/knn.py"
    text = (ROOT / file).read_text()
    edit = {file: (text, f"{text}\nNEW = 1\n")}
    retired = changed(tree, fingerprints(tree, monitor=monitor), edit, monitor=monitor)
    assert {"pretrain:ibot-seed0", "pretrain:hssl-seed0"} <= retired


def test_a_training_without_monitor_has_the_fingerprint_of_before_there_was_one():
    config = Experiment(name="e").pretrain_config("hssl", 0)
    assert config.monitor is None
    assert "monitor" not in readable_values(config)
    watched = Experiment(name="e", monitor={"every_epochs": 1}).pretrain_config("hssl", 0)
    assert readable_values(watched)["monitor"]["every_epochs"] == 1


def test_without_channels_no_stage_of_a_preset_has_a_key_of_them():
    """So what was made before there were channels stays current."""
    names = ("channels", "channel_axis", "window", "no_data", "frame", "picture_channels")
    for preset in ("smoke", "quickstart"):
        for node in experiment_nodes(read_experiment(preset)):
            for values in (readable_values(node.config), node.config.model_dump(mode="json")):
                text = json.dumps(values).replace("\\", "")  # the report holds all settings as text
                assert not any(f'"{name}":' in text for name in names), node.label


def test_channels_retire_the_images_and_all_that_is_made_of_them(tree, unedited):
    further = [{**each, "data": {**each["data"], "channels": 5}} for each in SECTIONS["evaluate"]]
    with_channels = fingerprints(tree, data={"channels": 5}, evaluate=further)
    unchanged = {label for label, found in with_channels.items() if unedited[label] == found}
    assert "pretrain:hssl-seed0" in with_channels
    assert unchanged == set()
