"""What no line of the project does: run what it reads, or listen. docs/security.md has the other promises."""

import ast
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("pipeline", "benchmarks", "stages")
SOURCES = [ROOT / "dodo.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
# Modules that turn bytes into running code, or accept connections.
_RUN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
_LISTEN = {"socketserver", "http.server", "xmlrpc.server", "wsgiref", "asyncio", "flask", "tornado"}
_CALLS = {"eval", "exec", "compile", "__import__"}


# Reads what it has just written, to check an export.
_OF_EXPORTS = "pipeline/export/other_programs.py"


@dataclass
class Source:
    """What a file imports and calls."""

    name: str
    imports: set[str] = field(default_factory=set)
    calls: list[ast.Call] = field(default_factory=list)


def read(path: Path) -> Source:
    found = Source(path.relative_to(ROOT).as_posix())
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found.imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call):
            found.calls.append(node)
    return found


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [read(path) for path in SOURCES]


def test_nothing_that_was_read_is_unpickled_or_run(sources):
    assert len(sources) > 200
    for source in sources:
        used = {each.split(".")[0] for each in source.imports} & _RUN
        assert not used, f"{source.name} imports {used}"
        called = {call.func.id for call in source.calls if isinstance(call.func, ast.Name)}
        assert not called & _CALLS, f"{source.name} calls {called & _CALLS}"


def test_files_of_arrays_and_weights_are_loaded_without_pickle(sources):
    for source in sources:
        for call in source.calls:
            text, whole = ast.unparse(call.func), f"{source.name}: {ast.unparse(call)}"
            stated = {each.arg: ast.unparse(each.value) for each in call.keywords}
            if text in ("np.load", "numpy.load", "np.lib.format.read_array"):
                assert stated.get("allow_pickle", "False") == "False", whole
            if text == "yaml.load":
                assert stated["Loader"] == "yaml.BaseLoader", whole
            if text in ("torch.load", "jt.load", "jittor.load"):
                assert source.name == _OF_EXPORTS, whole


def test_nothing_listens(sources):
    for source in sources:
        found = {each for each in source.imports if each in _LISTEN or each.split(".")[0] in _LISTEN}
        assert not found, f"{source.name} imports {found}"
        methods = {call.func.attr for call in source.calls if isinstance(call.func, ast.Attribute)}
        assert not methods & {"listen", "accept", "serve_forever", "start_server"}, source.name
