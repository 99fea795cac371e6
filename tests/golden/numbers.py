"""Summarises arrays by a few numbers, stores these in files, and compares with them.

An array is written as its norm and its products with two fixed random vectors: two arrays that differ by a
share e of the norm differ by about e norms in each product, wherever the difference is. A single value is
written as it is.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
SEED = 20261128  # of the random vectors
DIGITS = 12

# group -> name -> [value] or [norm, product, product]
Numbers = dict[str, dict[str, list[float]]]


def numbers_of(array) -> list[float]:
    """[value] of one value, else [norm, product, product]."""
    flat = np.asarray(array, np.float64).ravel()
    if flat.size == 1:
        return [float(flat[0])]
    vectors = np.random.default_rng((SEED, flat.size)).normal(size=(2, flat.size))
    return [float(np.linalg.norm(flat)), *(vectors @ flat).tolist()]


def numbers_of_groups(groups) -> Numbers:
    """{group: {name: array}} -> {group: {name: numbers}}."""
    return {
        group: {name: numbers_of(array) for name, array in arrays.items()} for group, arrays in groups.items()
    }


def relative_difference(found: list[float], golden: list[float]) -> float:
    """Largest difference relative to the golden norm (or value); if that is 0, the difference itself."""
    if len(found) != len(golden):
        raise AssertionError(f"expected {len(golden)} numbers, found {len(found)}: another shape")
    difference = float(np.abs(np.subtract(found, golden)).max())
    return difference / (abs(golden[0]) or 1.0)


def assert_equal(found: Numbers, golden: Numbers, tolerances: dict[str, float]) -> None:
    """Every number within its group's tolerance, relative to the array's norm; all that differ are listed.

    Args:
        tolerances: first word of a group's name -> share of the norm.
    """
    assert found.keys() == golden.keys()
    wrong = []
    for group, rows in golden.items():
        assert found[group].keys() == rows.keys(), group
        allowed = tolerances[group.split()[0]]
        for name, row in rows.items():
            difference = relative_difference(found[group][name], row)
            if not difference <= allowed:
                wrong.append(f"{group}, {name}: differs by {difference:.2g} of the norm, allowed {allowed:g}")
    assert not wrong, "\n".join(wrong)


def golden_numbers(file: str) -> dict[str, Numbers]:
    """Case -> numbers, of tests/golden/<file>.json."""
    return json.loads((FOLDER / f"{file}.json").read_text())["cases"]


def write_numbers(file: str, cases: dict[str, Numbers], versions: dict[str, str]) -> None:
    """Write tests/golden/<file>.json, one array per line."""
    lines = []
    for case, groups in cases.items():
        of_groups = []
        for group, rows in groups.items():
            of_rows = [f"{json.dumps(name)}:[{','.join(map(_text, row))}]" for name, row in rows.items()]
            of_groups.append(f"{json.dumps(group)}:{{\n" + ",\n".join(of_rows) + "}")
        lines.append(f"{json.dumps(case)}:{{" + ",\n".join(of_groups) + "}")
    text = f'{{"written with":{json.dumps(versions)},\n"cases":{{' + ",\n".join(lines) + "}}\n"
    (FOLDER / f"{file}.json").write_text(text)


def _text(value: float) -> str:
    return f"{value:.{DIGITS}g}"
