"""Digest of the code that a stage runs: the syntax trees of all project modules that it imports.

Indirect imports and imports inside functions are included; a module imported by a computed name is not.
Editing comments, docstrings or formatting changes no digest.
"""

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.graph.code_choices import TABLES, Choices
from pipeline.storage.memos import read_memo, write_memo

# Modules that cannot change a stage's numbers, with the reason. They, and what only they import, are left out
# of its digest; but if one contains a table of `TABLES`, the imports of the chosen entry are included.
NEUTRAL = {
    "pipeline.config": "every value of its sections is in the fingerprint, computed or not",
    "pipeline.evaluate.probes.settings": "likewise",
    "pipeline.models.auxiliary_heads.kinds": "keys, likewise; and estimates",
    "pipeline.pretrain.methods.settings": "likewise",
    "pipeline.storage.files": "writes what it is given",
    "pipeline.graph.stage_runner": "hands config and inputs to the stage",
    "pipeline.runtime.start_jittor": "always starts the same Jittor",
    "pipeline.runtime.heartbeat": "counts when a rank waits",
    "pipeline.runtime.cuda": "finds the tools of a GPU",
    "pipeline.runtime.cache": "paths of compiled code",
    "pipeline.doctor": "checks, and computes nothing",
    "pipeline.pretrain.non_finite": "examines a training that has ended",
    "pipeline.finetune.non_finite": "likewise",
    "pipeline.search.non_finite": "likewise",
    "pipeline.training.gradient_watch": "compares gradients, and changes none",
    "pipeline.training.loss_curve": "describes the losses",
    "pipeline.training.reporting": "shows and passes on what the loop reports; and what only it imports",
}
_BELOW_NEUTRAL = tuple(f"{name}." for name in NEUTRAL)
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_OURS = ("pipeline", "benchmarks", "stages")
# Modules whose importers use further files: the folder of these, and their suffix.
_BESIDE = {
    "pipeline.detection.box_library": ("pipeline/detection", (".cpp",)),
    "pipeline.evaluate.neighbour_tiles.library": ("pipeline/evaluate/neighbour_tiles", (".cpp",)),
    "pipeline.native.build": ("pipeline/native", (".cpp", ".cu", ".cuh", ".h")),
    "pipeline.report.page.rendering": ("pipeline/report/page/templates", (".jinja", ".css", ".js")),
}


@dataclass(frozen=True)
class _File:
    """Cached facts about a file; the entries of a table of `TABLES` in it are kept apart."""

    digest: str
    imports: list[str]  # names that may be modules, of the project or others
    entries: dict[str, tuple[str, list[str]]]  # key of the table -> digest of the entry, its own imports


@dataclass(frozen=True)
class _Part:
    """What an import adds to a closure, and the files whose tables add more, depending on the choices."""

    digests: dict[str, str] = field(default_factory=dict)  # path relative to the root -> digest
    libraries: Set[str] = frozenset()
    imports: Set[str] = frozenset()
    tables: list[tuple[str | None, _File]] = field(default_factory=list)  # no path: only what entries import


class CodeDigests:
    """Digests of the stages' code, from digests of files, which are cached by size and modification time.

    Args:
        root: folder of the packages.
        memo: JSON file that caches the files' digests; None caches them in this object only.
    """

    def __init__(self, root: Path, memo: Path | None = None):
        self._root = root
        self._memo_path = memo
        self._files = (memo and read_memo(memo)) or {}
        self._known = dict(self._files)
        self._parts: dict[str, _Part] = {}
        self._closures: dict[tuple[str, Choices | None], tuple[dict[str, str], set[str]]] = {}

    def now(self) -> "CodeDigests":
        """Digests of the files as they are now; only files of another size or modification time are read."""
        digests = CodeDigests(self._root)
        digests._files = dict(self._files)
        return digests

    def digest(self, module: str, choices: Choices | None = None) -> str:
        """SHA-256 of everything that `parts` returns for `module`, such as "stages.knn"."""
        return hashlib.sha256(json.dumps(self.parts(module, choices), sort_keys=True).encode()).hexdigest()

    def parts(self, module: str, choices: Choices | None = None) -> dict[str, str]:
        """Digest of each project file that `module` imports, directly or not, by path relative to the root.

        Args:
            choices: the entries of the tables in `TABLES` to include; None: all of them.

        Raises:
            FileNotFoundError: there is no file for the module below the root.
            KeyError: a table has no such entry.
        """
        return self._closure(module, choices)[0]

    def libraries(self, module: str, choices: Choices | None = None) -> set[str]:
        """Packages outside the project that `module` imports, directly or not, as named in an import."""
        return self._closure(module, choices)[1]

    def save(self) -> None:
        """Write the memo if it has changed."""
        files = dict(self._files)  # threads of other stages add to it meanwhile
        if self._memo_path and files != self._known:
            write_memo(self._memo_path, files)
            self._known = files

    def _closure(self, module: str, choices: Choices | None) -> tuple[dict[str, str], set[str]]:
        if (module, choices) not in self._closures:
            if not _files_of(self._root, module):
                raise FileNotFoundError(f"{module}: no such module in {self._root}")
            self._closures[module, choices] = self._walk(module, choices)
        return self._closures[module, choices]

    def _walk(self, module: str, choices: Choices | None) -> tuple[dict[str, str], set[str]]:
        found: dict[str, str] = {}
        libraries: set[str] = set()
        waiting, seen = [module], {module}
        while waiting:
            name = waiting.pop()
            part = self._part(name)
            found |= part.digests
            libraries |= part.libraries
            after = set(part.imports)
            for path, file in part.tables:
                keys = file.entries if choices is None else (key for table, key in choices if table == name)
                lines = [file.entries[key] for key in sorted(keys)]
                after.update(*(imports for _, imports in lines))
                if path:
                    found[path] = " ".join([file.digest, *(digest for digest, _ in lines)])
            after -= seen
            seen |= after
            waiting.extend(after)
        return found, libraries

    def _part(self, name: str) -> _Part:
        """What an import adds to a closure; cached, because most are in every stage's closure."""
        if name not in self._parts:
            self._parts[name] = self._read_part(name)
        return self._parts[name]

    def _read_part(self, name: str) -> _Part:
        neutral = _is_neutral(name)
        if neutral and name not in TABLES:
            return _Part()
        if name.split(".")[0] not in _OURS:
            return _Part(libraries={name.split(".")[0]})
        files = {self._relative(path): self._file(path, name) for path in _files_of(self._root, name)}
        tables = [(None if neutral else path, file) for path, file in files.items() if file.entries]
        if neutral:
            return _Part(tables=tables)
        digests = {path: file.digest for path, file in files.items()}
        imports = {each for file in files.values() for each in file.imports}
        return _Part(digests | self._files_beside(name), frozenset(), imports, tables)

    def _files_beside(self, module: str) -> dict[str, str]:
        """Path relative to the root -> digest, of the files that are no modules."""
        if module not in _BESIDE:
            return {}
        folder, suffixes = _BESIDE[module]
        below = sorted((self._root / folder).rglob("*"))
        paths = [str(path) for path in below if path.suffix in suffixes]
        return {self._relative(path): self._file(path, None).digest for path in paths}

    def _relative(self, path: str) -> str:
        return path.removeprefix(os.path.join(self._root, ""))

    def _file(self, path: str, module: str | None) -> _File:
        """Cached facts about a file; without a module name, its digest is of its bytes."""
        status = os.stat(path)
        # The syntax tree of a file differs between versions of Python.
        state = [status.st_size, status.st_mtime_ns, sys.version_info[1]]
        key = self._relative(path)
        memo = self._files.get(key)
        if not memo or memo[:3] != state or len(memo) != 6:
            content = Path(path).read_bytes()
            if module is None:
                file = _File(hashlib.sha256(content).hexdigest(), [], {})
            else:
                tree = ast.parse(content, filename=path)
                file = _read_module(tree, module, is_package=os.path.basename(path) == "__init__.py")
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
    """Remove the entries of a dict literal, and the imports that only they need, from a module's syntax tree.

    An entry may name a class of the same module. That class stays in the module, but what it names as
    "module:object", for `pkgutil.resolve_name`, counts as an import of the entry.

    Args:
        tree: the module's syntax tree, which is changed.
        table: name of the variable to which the literal is assigned.

    Returns:
        Key -> value of the entry, and its import statements.

    Raises:
        ValueError: there is no such literal, or a key is not a string.
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
        alone = [_import_only(node, names - used) for node in tree.body if isinstance(node, ast.ImportFrom)]
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in names]
        taken[key] = value, [*alone, *(entry for node in classes for entry in _resolved(node))]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
    tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom) or node.names]
    return taken


def _resolved(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """The objects named in strings as "module:object", as import statements."""
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


def _import_only(node: ast.ImportFrom, names: set[str]) -> ast.ImportFrom:
    kept = [alias for alias in node.names if (alias.asname or alias.name) in names]
    return ast.ImportFrom(node.module, kept, node.level)


def _is_neutral(module: str) -> bool:
    return f"{module}.".startswith(_BELOW_NEUTRAL)


def _files_of(root: Path, module: str) -> list[str]:
    """The module's file, in a list; an empty list if the project has no such module.

    Paths are text here: before each stage some 600 names are looked up, and most are no modules.
    """
    stem = os.path.join(root, *module.split("."))
    return [path for path in (f"{stem}.py", f"{stem}/__init__.py") if os.path.isfile(path)]


def _imported(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    """Names that may be modules: `from a.b import c` may import a.b.c, and always imports a and a.b."""
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
