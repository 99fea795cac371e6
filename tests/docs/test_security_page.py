"""Every promise of docs/security.md names a test that is there."""

import ast
import re

import pytest

from tests.docs.pages import PAGES, ROOT

ROWS = re.findall(r"^\| (.+?) \| `(tests/[\w/]+\.py)::(\w+)` \|$", PAGES["docs/security.md"], re.MULTILINE)


def test_every_row_is_read():
    rows = [line for line in PAGES["docs/security.md"].splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(rows) - 1 > 25, "a row without a test"
    assert len({name for *_, name in ROWS}) > 25


@pytest.mark.parametrize(("file", "name"), [row[1:] for row in ROWS])
def test_the_test_is_there(file, name):
    tree = ast.parse((ROOT / file).read_bytes())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
