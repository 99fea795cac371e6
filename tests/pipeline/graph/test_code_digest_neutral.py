"""Over the real tree: what stages take of modules that no digest has, and what lines of tables name."""

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from pipeline.config.section import Section
from pipeline.evaluate.probes.settings import PROBES
from pipeline.graph.code_choices import TABLES
from pipeline.graph.code_digest import NEUTRAL, CodeDigests, take_table
from pipeline.graph.node import STAGES, program
from pipeline.models.auxiliary_heads.kinds import BLOCKS
from pipeline.pretrain.methods.settings import METHODS

ROOT = Path(__file__).resolve().parents[3]


@cache
def _closures() -> dict[str, ast.Module]:
    """Every file that some stage runs, but those of neutral modules."""
    code = CodeDigests(ROOT)
    files = {file for stage in STAGES for file in code.parts(f"stages.{program(stage)}")}
    return {file: ast.parse((ROOT / file).read_text()) for file in files if file.endswith(".py")}


# What stages take from modules that are left out of the digests, beside sections.
HARMLESS = {
    # Names, which the keys of the runs hold too.
    "pipeline.config.evaluate": {"FEW_SHOT", "PURPOSES"},
    "pipeline.config.linear_augmented": {"LINEAR_AUGMENTED"},
    "pipeline.config.weights": {"digest_of_source"},
    # Of a chosen class, what it imports is in.
    "pipeline.evaluate.probes.settings": {"PROBES", "ProbeConfig"},
    "pipeline.models.auxiliary_heads.kinds": {"BLOCKS"},
    "pipeline.pretrain.methods.settings": {"METHODS"},
    "pipeline.runtime.cache": {"cache_root"},
    "pipeline.storage.files": {
        "PARTIAL", "partial_of", "read_json", "replacing", "sha256_of_file", "sha256_of_json", "write_csv",
        "write_json", "write_text",
    },
    "pipeline.graph.stage_runner": {"serve"},
    "pipeline.runtime.heartbeat": {"queued_for_others", "waiting_for_others"},
    "pipeline.runtime.cuda": {"Toolkit", "architecture", "toolkit"},
    "pipeline.runtime.cuda.used": {"remember"},
    "pipeline.runtime.cuda.without_jittor": {"take_card"},  # where the same is computed
    "pipeline.runtime.cuda.remedies": {"code_flag"},  # for which cards the same kernels are compiled
    "pipeline.pretrain.non_finite.first_step": {"explanation"},
    "pipeline.finetune.non_finite": {"explanation"},
    "pipeline.search.non_finite": {"explanation"},
    "pipeline.training.gradient_watch": {"GradientWatch"},
    "pipeline.training.loss_curve": {"LossCurve"},
    "pipeline.training.reporting": {"quiet", "reporting"},
}  # fmt: skip


def test_stages_take_sections_and_nothing_else_that_computes_from_neutral_modules():
    for file, tree in _closures().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            neutral = any(node.module == name or node.module.startswith(f"{name}.") for name in NEUTRAL)
            for alias in node.names if neutral else ():
                if alias.name in HARMLESS.get(node.module, ()):
                    continue  # not imported here: it may load Jittor
                value = getattr(import_module(node.module), alias.name)
                is_section = isinstance(value, type) and issubclass(value, Section)
                assert is_section, f"{file} takes {alias.name} from {node.module}"


def test_stages_call_no_method_of_a_section():
    """A section's methods with arguments are for validation and for the graph: no fingerprint holds them.

    But for those that only import: what they import is in the digest.
    """
    methods = {
        name: section.__name__
        for section in _sections()
        for name, member in vars(section).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    assert {"put_into", "check_width", "stage_config"} <= set(methods)
    for file, tree in _closures().items():
        called = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not called & set(methods), f"{file} calls a method of a section"


def _sections() -> list[type[Section]]:
    found, waiting = [], [Section]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(found[-1].__subclasses__())
    return [section for section in found if section.__module__.startswith("pipeline.")]


@pytest.mark.parametrize(
    "named",
    [
        *(kind.block for kind in BLOCKS.values()),
        *(method.implementation for method in METHODS.values()),
        *(probe.section.implementation for probe in PROBES.values()),
    ],
)
def test_what_a_line_of_a_table_names_is_there_and_in_its_digest(named):
    module, _, name = named.partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    entries = [
        imports
        for table, literal in TABLES.items()
        if table != "pipeline.models.backbones"
        for _, imports in take_table(
            ast.parse((ROOT / f"{table.replace('.', '/')}.py").read_text()), literal
        ).values()
    ]
    found = [(node.module, alias.name) for imports in entries for node in imports for alias in node.names]
    assert found.count((module, name)) == 1
