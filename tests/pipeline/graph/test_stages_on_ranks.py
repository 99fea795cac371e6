"""The graph's list of stages on ranks is that of the programs."""

import ast
from pathlib import Path

from pipeline.graph.stages_on_ranks import STAGES_ON_RANKS, num_ranks

STAGES = Path(__file__).resolve().parents[3] / "stages"


def runs_on_ranks(program: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(program.read_text())) if isinstance(node, ast.Call)]
    served = [call for call in calls if getattr(call.func, "id", None) == "serve"]
    return any(keyword.arg == "on_ranks" for call in served for keyword in call.keywords)


def test_they_are_those_whose_programs_start_ranks():
    assert {path.stem for path in STAGES.glob("*.py") if runs_on_ranks(path)} == STAGES_ON_RANKS


def test_other_stages_are_one_process():
    assert num_ranks("search-train", {"devices": 4}) == num_ranks("dense_probe", {"devices": 4}) == 4
    assert num_ranks("knn", {"devices": 4}) == 1
