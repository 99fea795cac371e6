"""Digest of the code that a stage runs: its import closure inside the project, as syntax trees.

Comments, docstrings and formatting are no part of a syntax tree, so editing them changes no digest.
An import inside a function counts like one at the top. A module imported by a computed name is not seen.
"""

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.graph.code_choices import TABLES, Choices
from pipeline.storage.files import write_json

# Modules that cannot change a stage's numbers; they, and what only they import, stay out of its digest. But
# of one that holds a table of `TABLES`, what the chosen line imports is in.
NEUTRAL = {
    "pipeline.config": "all that can be read off its sections is in the fingerprint, computed or not",
    "pipeline.evaluate.probes.settings": "likewise",
    "pipeline.models.auxiliary_heads.kinds": "keys, likewise; and estimates",
    "pipeline.pretrain.methods.settings": "likewise",
    "pipeline.storage.files": "writes what it is given",
    "pipeline.graph.stage_runner": "hands config and inputs to the stage",
    "pipeline.runtime.start_jittor": "starts the same Jittor",
    "pipeline.runtime.cuda": "finds the tools of a GPU",
    "pipeline.runtime.cache": "places of compiled code",
    "pipeline.doctor": "looks, and computes nothing",
    "pipeline.training.reporting": "shows and hands on what the loop reports; and what only it imports",
}
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_OURS = ("pipeline", "benchmarks", "stages")
_NATIVE = "pipeline.native.build"  # who imports this runs the C++ and CUDA sources in pipeline/native


@dataclass(frozen=True)
class _File:
    """What is remembered of a file: of a module of `TABLES`, lines of its table are apart from the rest."""

    digest: str
    imports: list[str]  # names that may be modules, of the project or others
    entries: dict[str, tuple[str, list[str]]]  # key of the table -> digest of its line, imports for it alone


class CodeDigests:
    """Digests of stages, from per-file digests that are remembered by size and modification time.

    Args:
        root: folder that holds the packages.
        memo: JSON file that remembers per-file digests; None remembers within this object only.
    """

    def __init__(self, root: Path, memo: Path | None = None):
        self._root = root
        self._memo_path = memo
        self._files = _read_memo(memo)
        self._known = dict(self._files)
        self._closures: dict[tuple[str, Choices | None], tuple[dict[str, str], set[str]]] = {}

    def digest(self, module: str, choices: Choices | None = None) -> str:
        """SHA-256 over the import closure of `module`, such as "stages.knn"; see `parts`."""
        return hashlib.sha256(json.dumps(self.parts(module, choices), sort_keys=True).encode()).hexdigest()

    def parts(self, module: str, choices: Choices | None = None) -> dict[str, str]:
        """Digest of each file in the import closure of `module`, by path relative to the root.

        Args:
            choices: of the modules in `TABLES`, only these lines count, and what only they import; None: all.

        Raises:
            FileNotFoundError: the module is no file below the root.
            KeyError: a table has no such line.
        """
        return self._closure(module, choices)[0]

    def libraries(self, module: str, choices: Choices | None = None) -> set[str]:
        """Packages outside the project that the closure imports, by their names in an import."""
        return self._closure(module, choices)[1]

    def save(self) -> None:
        """Write the memo, if anything in it is new."""
        if self._memo_path and self._files != self._known:
            write_json(self._memo_path, self._files)
            self._known = dict(self._files)

    def _closure(self, module: str, choices: Choices | None) -> tuple[dict[str, str], set[str]]:
        if (module, choices) not in self._closures:
            if not _files_of(self._root, module):
                raise FileNotFoundError(f"{module}: no such module in {self._root}")
            self._closures[module, choices] = self._walk(module, choices)
        return self._closures[module, choices]

    def _walk(self, module: str, choices: Choices | None) -> tuple[dict[str, str], set[str]]:
        found: dict[str, str] = {}
        libraries: set[str] = set()
        waiting, seen, native = [module], set(), False
        while waiting:
            name = waiting.pop()
            neutral = _is_neutral(name)
            if name in seen or (neutral and name not in TABLES):
                continue
            seen.add(name)
            if name.split(".")[0] not in _OURS:
                libraries.add(name.split(".")[0])
                continue
            native = native or name == _NATIVE
            for path in _files_of(self._root, name):
                file = self._file(path, name)
                keys = sorted(file.entries) if choices is None else sorted(k for m, k in choices if m == name)
                lines = [file.entries[key] for key in keys] if file.entries else []
                for _, imports in lines:
                    waiting.extend(imports)
                if not neutral:
                    digests = [file.digest, *(digest for digest, _ in lines)]
                    found[path.relative_to(self._root).as_posix()] = " ".join(digests)
                    waiting.extend(file.imports)
        if native:
            for path in sorted((self._root / "pipeline" / "native").rglob("*")):
                if path.suffix in (".cpp", ".cu", ".cuh", ".h"):
                    found[path.relative_to(self._root).as_posix()] = self._file(path, None).digest
        return found, libraries

    def _file(self, path: Path, module: str | None) -> _File:
        """A file without a module name counts as bytes."""
        status = path.stat()
        # The form of a syntax tree differs between versions of Python.
        state = [status.st_size, status.st_mtime_ns, sys.version_info[1]]
        key = path.relative_to(self._root).as_posix()
        memo = self._files.get(key)
        if not memo or memo[:3] != state or len(memo) != 6:
            content = path.read_bytes()
            if module is None:
                file = _File(hashlib.sha256(content).hexdigest(), [], {})
            else:
                tree = ast.parse(content, filename=str(path))
                file = _read_module(tree, module, is_package=path.name == "__init__.py")
            memo = self._files[key] = [*state, file.digest, file.imports, file.entries]
        return _File(*memo[3:])


def _read_module(tree: ast.Module, module: str, *, is_package: bool) -> _File:
    entries = {}
    if module in TABLES:
        lines = take_table(tree, TABLES[module])
        for key, (value, imports) in lines.items():
            alone = _imported(ast.Module(imports, []), module, is_package=is_package)
            entries[key] = (hashlib.sha256(ast.dump(value).encode()).hexdigest(), alone)
    imports = _imported(tree, module, is_package=is_package)
    digest = hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()
    return _File(digest, imports, entries)


def take_table(tree: ast.Module, table: str) -> dict[str, tuple[ast.expr, list[ast.stmt]]]:
    """Take the lines of a dict literal, and the imports that only one of them needs, out of a module.

    A class of the module that a line names is the line's too, and stays in the module: what it names as
    "module:object", for `pkgutil.resolve_name`, is imported for it.

    Args:
        tree: of the module; what is returned is no longer in it.
        table: the name that the literal is assigned to.

    Returns:
        Key -> its value, and the statements whose imports are its.

    Raises:
        ValueError: no such literal, or a key that is no string.
    """
    literal = _literal(tree, table)
    keys = [key.value if isinstance(key, ast.Constant) else None for key in literal.keys]
    if not all(isinstance(key, str) for key in keys):
        raise ValueError(f"{table}: expected strings as keys, found {ast.unparse(literal)}")
    values, literal.keys, literal.values = literal.values, [], []
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}  # names in __all__
    taken = {}
    for key, value in zip(keys, values, strict=True):
        names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
        alone = [_only(node, names - used) for node in tree.body if isinstance(node, ast.ImportFrom)]
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in names]
        taken[key] = value, [*alone, *(entry for node in classes for entry in _resolved(node))]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
    tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom) or node.names]
    return taken


def _resolved(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """Imports of what is named as "module:object"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _OBJECT.fullmatch(node.value):
            module, _, name = node.value.partition(":")
            yield ast.ImportFrom(module, [ast.alias(name)], 0)


def _literal(tree: ast.Module, table: str) -> ast.Dict:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == table for target in targets):
            if isinstance(node.value, ast.Dict):
                return node.value
            break
    raise ValueError(f"{table}: expected a dict literal of that name")


def _only(node: ast.ImportFrom, names: set[str]) -> ast.ImportFrom:
    kept = [alias for alias in node.names if (alias.asname or alias.name) in names]
    return ast.ImportFrom(node.module, kept, node.level)


def _read_memo(memo: Path | None) -> dict[str, list]:
    try:
        return json.loads(memo.read_text(encoding="utf-8")) if memo else {}
    except (OSError, ValueError):
        return {}  # only speed is lost


def _is_neutral(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in NEUTRAL)


def _files_of(root: Path, module: str) -> list[Path]:
    """The module's file; empty where the name is no module of the project."""
    stem = root.joinpath(*module.split("."))
    return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def _imported(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    """Names that may be modules: `from a.b import c` may mean a.b.c, and needs a and a.b in any case."""
    names: set[str] = set()
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.names:
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    parents = {name.rsplit(".", cut)[0] for name in names for cut in range(1, name.count(".") + 1)}
    return sorted(names | parents)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del node.body[0]
    return tree
