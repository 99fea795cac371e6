"""What README.md and docs/ name must exist: links, files, presets, arms, keys, experiments, commands."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from pipeline.config.dense import DenseProbeConfig, DetectionSection, SegmentationSection
from pipeline.config.experiment import Experiment
from pipeline.config.finetune import FinetuneSection
from pipeline.config.reading import preset_names, read_experiment
from pipeline.config.studies import AblateSection, HeadChanges
from pipeline.pretrain.methods.settings import ARMS
from tests.docs.pages import PAGES, ROOT, blocks, prose

EVERYTHING = "\n".join(PAGES.values())
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LINKS = sorted(
    {
        (page, target)
        for page, text in PAGES.items()
        for target in LINK.findall(prose(text))
        if "://" not in target
    }
)
EXPERIMENTS = [
    pytest.param(block.text, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(blocks(text))
    if block.language == "toml"
]
# Worked examples name what they add themselves: `test_worked_examples` carries them out.
SHOWN = sorted(
    {
        line.partition("  #")[0].strip()
        for page, text in PAGES.items()
        if not Path(page).name.startswith("adding-a-")
        for block in blocks(text)
        if not block.language
        for line in block.text.splitlines()
        if re.match(r"(doit|python -m|pytest) ", line)
    }
)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert not [anchor for anchor, times in Counter(words).items() if times > 1], "a heading twice"
    return set(words)


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_links_lead_somewhere(page, target):
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.exists(), f"{page}: {target}"
    if anchor:
        assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page}: {target}"


# Pages that add something name the tests that they add: `test_worked_examples` carries them out.
READ = {page: text for page, text in PAGES.items() if not Path(page).name.startswith("adding-a-")} | {
    name: (ROOT / name).read_text(encoding="utf-8") for name in (".ci/run", ".ci/exporters", "pyproject.toml")
}


@pytest.mark.parametrize("page", READ)
def test_files_of_the_project_that_are_named_exist(page):
    folders = "tests|pipeline|stages|benchmarks"
    named = set(re.findall(rf"(?<![\w/.-])(?:{folders})/[\w/.-]*\.(?:py|c|json|md)\b", READ[page]))
    assert not sorted(name for name in named if not (ROOT / name).is_file())


def test_every_page_can_be_reached():
    linked = {((ROOT / page).parent / target.partition("#")[0]).resolve() for page, target in LINKS}
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        if page.startswith("docs/"):
            assert (ROOT / page).resolve() in linked or page == "docs/index.md", f"no link to {page}"
            assert f": {page.removeprefix('docs/')}\n" in site, f"{page} is not in mkdocs.yml"


def test_the_readme_is_one_page():
    assert len(PAGES["README.md"].splitlines()) <= 250


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:pipeline|benchmarks|stages|tests)/[\w./-]*)`", EVERYTHING)))
)
def test_paths_exist(path):
    assert (ROOT / path).exists()


def test_the_tree_names_every_folder_of_the_library():
    tree = next(block.text for block in blocks(PAGES["docs/code.md"]) if not block.language)
    named = set(re.findall(r"\b(\w+)/", tree))
    folders = {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    assert len(folders) > 10
    assert folders <= named, "folders of the library that the page does not name"
    everywhere = {path.name for path in ROOT.iterdir()}
    everywhere |= {path.name for path in (ROOT / "pipeline").rglob("*") if path.is_dir()}
    assert named <= everywhere, "folders that are not there"


def test_every_preset_and_arm_is_described():
    missing = [name for name in (*preset_names(), *ARMS) if f"`{name}`" not in EVERYTHING]
    assert missing == []
    readme = [name for name in preset_names() if f"`{name}`" not in PAGES["README.md"]]
    assert readme == []


@pytest.mark.parametrize("text", EXPERIMENTS)
def test_experiments_of_the_pages_are_read(text, tmp_path):
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    for weights in re.findall(r'^source = "([\w.]+\.pth)"', text, re.MULTILINE):
        (tmp_path / weights).touch()  # their digest is taken
    experiment = read_experiment(str(tmp_path / "my.toml"))
    assert experiment.name == "my"
    assert tomllib.loads(text)


def test_there_are_experiments_to_read():
    assert len(EXPERIMENTS) > 8


EVERY_SECTION = Experiment(
    name="e",
    segmentation=SegmentationSection(),
    detection=DetectionSection(),
    dense_probe=DenseProbeConfig(),
    finetune=FinetuneSection(),
    ablate=AblateSection(variants={"deep": HeadChanges(depth=6)}),
)


def keys_of_tables() -> list[tuple[str, str]]:
    """(section, key) of the tables of keys that are written by hand, every pair that a row names."""
    found = []
    for page in ("docs/experiment.md", "docs/methods.md"):
        for table in re.findall(
            r"^\| section \| key \|.*\n\|[-|]*\n((?:\|.*\n)+)", PAGES[page], re.MULTILINE
        ):
            sections = []
            for line in table.splitlines():
                where, keys = [re.findall(r"`(\w+)`", cell) for cell in line.strip("|").split("|")[:2]]
                sections = where or sections or ["mocov3", "simclr", "byol", "mae"]  # "each of these"
                found += [(section, key) for section in sections for key in keys]
    return found


@pytest.mark.parametrize(("section", "key"), keys_of_tables())
def test_tables_of_keys_name_real_keys(section, key):
    assert hasattr(getattr(EVERY_SECTION, section), key)


def test_there_are_tables_of_keys():
    assert len(keys_of_tables()) > 50


def test_extras_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = set(re.findall(r"'\.\[([\w,]+)\]'", EVERYTHING))
    assert {"test", "docs"} <= {extra for group in named for extra in group.split(",")} <= extras.keys()


def test_commands_name_tasks_stages_and_tests():
    listed = subprocess.run(
        [sys.executable, "-m", "doit", "list", "--all", "experiment=smoke"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert listed.returncode == 0, listed.stderr
    tasks = {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}
    assert len(SHOWN) > 20
    for command in SHOWN:
        words = command.split()
        if words[:2] == ["doit", "run"]:
            options = re.compile(r" -(n \d+|P \w+|s|a)(?= )")
            named = options.sub("", command).split()[2]
            assert named in tasks, command
        elif words[:2] == ["python", "-m"] and words[2] != "pip":
            module = Path(*words[2].split(".")).with_suffix(".py")
            assert (ROOT / module).exists(), command
        elif words[0] == "pytest":
            paths = [word for word in words[1:] if word.startswith("tests/")]
            assert all((ROOT / path).exists() for path in paths), command


def test_the_citation_is_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE)
    assert f"## {version}" in PAGES["CHANGELOG.md"]
