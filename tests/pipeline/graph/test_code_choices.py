import ast
from pathlib import Path

import pytest

from pipeline.config.experiment import Experiment
from pipeline.config.studies import JointTrainingConfig
from pipeline.config.weights import ForeignConfig
from pipeline.graph.code_choices import TABLES, chosen_entries
from pipeline.graph.code_digest import CodeDigests, take_table

PROBES, HEADS, BASES, METHODS, MONITORS = TABLES
ROOT = Path(__file__).resolve().parents[3]


def test_entries_that_a_configuration_names():
    experiment = Experiment.model_validate({"name": "e"})
    alone, together = (experiment.pretrain_config(arm, 0) for arm in ("ibot", "hssl"))
    assert chosen_entries([alone]) == {(BASES, "vit"), (METHODS, "ibot")}
    assert chosen_entries([together]) == {(BASES, "vit"), (METHODS, "ibot"), (HEADS, "convnext")}
    head = together.auxiliary_head
    candidates = {"a": head, "b": head.model_copy(update={"kind": "mixer"})}
    joint = JointTrainingConfig(pretrain=together, candidates=candidates)
    assert (HEADS, "mixer") in chosen_entries([joint])
    for key, value in {"measures": "every_epochs", "pictures": "pictures_every_epochs"}.items():
        watched = Experiment.model_validate({"name": "e", "monitor": {value: 5}}).pretrain_config("hssl", 0)
        assert {entry for entry in chosen_entries([watched]) if entry[0] == MONITORS} == {(MONITORS, key)}


@pytest.mark.parametrize(("module", "table"), TABLES.items())
def test_every_line_of_the_tables_can_be_taken(module, table):
    stem = ROOT / module.replace(".", "/")
    (path,) = (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())
    tree = ast.parse(path.read_text())
    lines = take_table(tree, table)
    assert len(lines) >= 2
    own = [
        {node.module for part in parts for node in ast.walk(part) if _imports_something(node)}
        for _, parts in lines.values()
    ]
    assert all(own)
    assert sum(map(len, own)) == len(set().union(*own)), "what two lines import is no line's own"
    # What is left imports none of them.
    left = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    named = {node.id for value, _ in lines.values() for node in ast.walk(value) if isinstance(node, ast.Name)}
    assert not left & named


def _imports_something(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and bool(node.names)


def test_of_a_neutral_table_the_chosen_line_s_imports_count_and_nothing_else():
    found = {
        name: CodeDigests(ROOT).parts("stages.pretrain", frozenset({(BASES, "vit"), (METHODS, name)}))
        for name in ("ibot", "mae")
    }
    folder = "pipeline/pretrain/methods"
    for name, other in (("ibot", "mae"), ("mae", "ibot")):
        assert f"{folder}/{name}.py" in found[name]
        assert not {f"{folder}/{other}.py", f"{folder}/settings.py"} & found[name].keys()
    assert "pipeline/models/mae.py" not in found["ibot"]


@pytest.fixture
def root(tmp_path) -> Path:
    files = {
        "stages/train.py": "from pipeline.models.backbones import NETWORKS\n",
        "pipeline/models/backbones/__init__.py": (
            "from pipeline.models.backbones.a import A\n"
            "from pipeline.models.backbones.b import B\n"
            "from pipeline.models.backbones.base import shared\n"
            'NETWORKS: dict = {"a": A, "b": B}\n'
            "def build(kind):\n    return shared(NETWORKS[kind])\n"
        ),
        "pipeline/models/backbones/a.py": "A = 1\n",
        "pipeline/models/backbones/b.py": "B = 1\n",
        "pipeline/models/backbones/base.py": "def shared(x):\n    return x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


A_LINE = frozenset({(BASES, "a")})


def _with_line(text: str) -> str:
    text = "from pipeline.models.backbones.c import C\n" + text
    return text.replace('"b": B}', '"b": B, "c": C}')


@pytest.mark.parametrize(
    ("file", "edit", "same"),
    [
        ("a.py", lambda text: "A = 2\n", False),
        ("b.py", lambda text: "B = 2\n", True),
        ("base.py", lambda text: text.replace("return x", "return x + 1"), False),
        ("__init__.py", _with_line, True),
        ("__init__.py", lambda text: text.replace('"b": B', '"b": A'), True),
        ("__init__.py", lambda text: text.replace('"a": A', '"a": B'), False),
        ("__init__.py", lambda text: text.replace("shared(NETWORKS", "(NETWORKS"), False),
    ],
)
def test_only_the_chosen_line_of_a_table_counts(root, file, edit, same):
    before = CodeDigests(root).digest("stages.train", A_LINE)
    path = root / "pipeline/models/backbones" / file
    path.write_text(edit(path.read_text()))
    (root / "pipeline/models/backbones/c.py").write_text("C = 1\n")
    memo = root / "memo.json"
    digests = CodeDigests(root, memo)
    assert (digests.digest("stages.train", A_LINE) == before) is same
    digests.save()
    assert CodeDigests(root, memo).digest("stages.train", A_LINE) == digests.digest("stages.train", A_LINE)


def test_a_line_that_is_not_there_is_an_error(root):
    with pytest.raises(KeyError, match="none"):
        CodeDigests(root).digest("stages.train", frozenset({(BASES, "none")}))


def test_a_table_that_is_no_literal_is_named():
    with pytest.raises(ValueError, match="NETWORKS: expected a dict literal"):
        take_table(ast.parse("NETWORKS = dict(a=1)"), "NETWORKS")


def test_all_bases_are_code_of_what_a_foreign_file_decides():
    """Else a changed base would leave the features of foreign weights as they were."""
    entries = chosen_entries([ForeignConfig(source="theirs.pth")])
    assert entries == {(BASES, kind) for kind in ("vit", "swin", "convnext", "resnet")}
