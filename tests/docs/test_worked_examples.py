"""What the pages "Adding a ..." say is done to a copy of the project, whose tests must then pass."""

import os
import shutil
import subprocess
import sys

import pytest

from pipeline.config.models import AUXILIARY_HEADS
from tests.docs.pages import PAGES, ROOT, blocks

EXAMPLES = {name: text for name, text in PAGES.items() if name.startswith("docs/adding-")}
COPIED = ("pipeline", "benchmarks", "stages", "tests", "docs", "dodo.py", "pyproject.toml", "README.md")


def changed(text: str, diff: str) -> str:
    """`text` with a block of lines replaced; the lines before the change must be there once.

    Raises:
        AssertionError: they are not.
    """
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert ("\n" + text).count("\n" + old) == 1, f"not once in the file:\n{old}"
    return ("\n" + text).replace("\n" + old, "\n" + new)[1:]


def follow(page: str, folder) -> None:
    """Make the changes of a page to the project in `folder`."""
    for block in blocks(EXAMPLES[page]):
        if not block.title:
            continue
        file = folder / block.title
        if block.language == "diff":
            file.write_text(changed(file.read_text("utf-8"), block.text), "utf-8")
        else:
            assert not file.exists(), f"{page}: {block.title} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with all examples in it."""
    folder = tmp_path_factory.mktemp("copy")
    skipped = shutil.ignore_patterns("__pycache__", "toy_stages/results")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=skipped)
        else:
            shutil.copy2(ROOT / name, folder / name)
    for page in EXAMPLES:
        follow(page, folder)
    return folder


def ran(project, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, *command], cwd=project, capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_a_page_for_each():
    assert {name.removeprefix("docs/adding-a-").removesuffix(".md") for name in EXAMPLES} == {
        "head",
        "method",
        "probe",
        "reader",
    }


@pytest.mark.parametrize("page", EXAMPLES)
def test_what_is_added_touches_three_files_at_most_its_test_included(page):
    files = {block.title for block in blocks(EXAMPLES[page]) if block.title}
    assert len(files) <= 3, sorted(files)


@pytest.mark.slow
def test_the_tests_of_the_pages_pass(project):
    titles = [block.title for text in EXAMPLES.values() for block in blocks(text)]
    own = [title for title in titles if title.startswith("tests/")]
    assert len(own) == len(EXAMPLES)
    # The tests that every head and every reader must pass; of the heads, the new one only.
    general = [
        "tests/pipeline/models/test_auxiliary_heads.py",
        "tests/pipeline/datasets/test_catalog.py",
    ]
    others = f"not ({' or '.join(AUXILIARY_HEADS)})"
    passed = ran(project, "-m", "pytest", "-v", "-p", "no:cacheprovider", *own, *general, "-k", others)
    for name in (*own, *general):
        assert f"{name}::" in passed


def test_the_commands_of_the_pages_name_tasks_and_files_of_the_copy(project):
    arms = '["random", "ibot", "hssl", "simsiam", "hssl-simsiam"]'
    (project / "my.toml").write_text(f'extends = "smoke"\narms = {arms}\n', "utf-8")
    listed = ran(project, "-m", "doit", "list", "--all", "experiment=my.toml")
    tasks = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert {f"class_means:{arm}-seed0" for arm in ("random", "ibot", "hssl")} <= tasks
    for page, text in EXAMPLES.items():
        lines = [line for block in blocks(text) if not block.language for line in block.text.splitlines()]
        assert any(line.startswith("pytest ") for line in lines), f"{page} shows how to see that it works"
        for words in map(str.split, lines):
            if words[0] == "pytest":
                assert all((project / path).exists() for path in words[1:]), words
            else:
                assert words[:2] == ["doit", "run"], words
                assert words[2] in tasks, words


def test_the_code_of_the_pages_has_the_project_s_style(project):
    ruff = pytest.importorskip("ruff")
    assert ruff
    titles = [block.title for text in EXAMPLES.values() for block in blocks(text) if block.title]
    ran(project, "-m", "ruff", "check", "--no-cache", *sorted(set(titles)))
