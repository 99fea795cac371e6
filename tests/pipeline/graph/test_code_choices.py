import ast
from pathlib import Path

import pytest

from pipeline.config.experiment import Experiment
from pipeline.config.studies import JointTrainingConfig
from pipeline.config.weights import ForeignConfig
from pipeline.graph.code_choices import TABLES, chosen_entries
from pipeline.graph.code_digest import CodeDigests, take_table

HEADS, BASES, METHODS = TABLES
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


@pytest.mark.parametrize(("module", "table"), TABLES.items())
def test_every_line_of_the_tables_can_be_taken(module, table):
    tree = ast.parse((ROOT / module.replace(".", "/") / "__init__.py").read_text())
    lines = take_table(tree, table)
    assert len(lines) > 3
    assert all(any(node.names for node in imports) for _, imports in lines.values())
    # What is left imports none of them.
    left = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not left & {value.id for value, _ in lines.values()}


@pytest.fixture
def root(tmp_path) -> Path:
    files = {
        "stages/train.py": "from pipeline.models.auxiliary_heads import BLOCKS\n",
        "pipeline/models/auxiliary_heads/__init__.py": (
            "from pipeline.models.auxiliary_heads.a import A\n"
            "from pipeline.models.auxiliary_heads.b import B\n"
            "from pipeline.models.auxiliary_heads.base import shared\n"
            'BLOCKS: dict = {"a": A, "b": B}\n'
            "def build(kind):\n    return shared(BLOCKS[kind])\n"
        ),
        "pipeline/models/auxiliary_heads/a.py": "A = 1\n",
        "pipeline/models/auxiliary_heads/b.py": "B = 1\n",
        "pipeline/models/auxiliary_heads/base.py": "def shared(x):\n    return x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


A_LINE = frozenset({(HEADS, "a")})


def _with_line(text: str) -> str:
    text = "from pipeline.models.auxiliary_heads.c import C\n" + text
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
        ("__init__.py", lambda text: text.replace("shared(BLOCKS", "(BLOCKS"), False),
    ],
)
def test_only_the_chosen_line_of_a_table_counts(root, file, edit, same):
    before = CodeDigests(root).digest("stages.train", A_LINE)
    path = root / "pipeline/models/auxiliary_heads" / file
    path.write_text(edit(path.read_text()))
    (root / "pipeline/models/auxiliary_heads/c.py").write_text("C = 1\n")
    memo = root / "memo.json"
    digests = CodeDigests(root, memo)
    assert (digests.digest("stages.train", A_LINE) == before) is same
    digests.save()
    assert CodeDigests(root, memo).digest("stages.train", A_LINE) == digests.digest("stages.train", A_LINE)


def test_a_line_that_is_not_there_is_an_error(root):
    with pytest.raises(KeyError, match="none"):
        CodeDigests(root).digest("stages.train", frozenset({(HEADS, "none")}))


def test_a_table_that_is_no_literal_is_named():
    with pytest.raises(ValueError, match="BLOCKS: expected a dict literal"):
        take_table(ast.parse("BLOCKS = dict(a=1)"), "BLOCKS")


def test_all_bases_are_code_of_what_a_foreign_file_decides():
    """Else a changed base would leave the features of foreign weights as they were."""
    entries = chosen_entries([ForeignConfig(source="theirs.pth")])
    assert entries == {(BASES, kind) for kind in ("vit", "swin", "convnext", "resnet")}
