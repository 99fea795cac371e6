"""Digest of the code that a stage runs: its import closure inside the project, as syntax trees.

Comments, docstrings and formatting are no part of a syntax tree, so editing them changes no digest.
An import inside a function counts like one at the top. A module imported by a computed name is not seen.
"""

import ast
import hashlib
import json
import sys
from pathlib import Path

from pipeline.files import write_json

# Modules that cannot change a stage's numbers; they, and what only they import, stay out of its digest.
NEUTRAL = {
    "pipeline.config": "its values are in the fingerprint",
    "pipeline.files": "writes what it is given",
    "pipeline.request": "hands config and inputs to the stage",
    "pipeline.start_jittor": "starts the same Jittor",
    "pipeline.runtime": "finds the tools of a GPU",
    "pipeline.cache": "places of compiled code",
    "pipeline.doctor": "looks, and computes nothing",
}
_NATIVE = "pipeline.native.build"  # who imports this runs the C++ and CUDA sources in pipeline/native


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
        self._parts: dict[str, dict[str, str]] = {}

    def digest(self, module: str) -> str:
        """SHA-256 over the import closure of `module`, such as "stages.knn"."""
        return hashlib.sha256(json.dumps(self.parts(module), sort_keys=True).encode()).hexdigest()

    def parts(self, module: str) -> dict[str, str]:
        """Digest of each file in the import closure of `module`, by path relative to the root.

        Raises:
            FileNotFoundError: the module is no file below the root.
        """
        if module not in self._parts:
            if not _files_of(self._root, module):
                raise FileNotFoundError(f"{module}: no such module in {self._root}")
            self._parts[module] = self._closure(module)
        return self._parts[module]

    def save(self) -> None:
        """Write the memo, if anything in it is new."""
        if self._memo_path and self._files != self._known:
            write_json(self._memo_path, self._files)
            self._known = dict(self._files)

    def _closure(self, module: str) -> dict[str, str]:
        found: dict[str, str] = {}
        waiting, seen, native = [module], set(), False
        while waiting:
            name = waiting.pop()
            if name in seen or _is_neutral(name):
                continue
            seen.add(name)
            native = native or name == _NATIVE
            for path in _files_of(self._root, name):
                digest, imports = self._file(path, name)
                found[path.relative_to(self._root).as_posix()] = digest
                waiting.extend(imports)
        if native:
            for path in sorted((self._root / "pipeline" / "native").rglob("*")):
                if path.suffix in (".cpp", ".cu", ".cuh", ".h"):
                    found[path.relative_to(self._root).as_posix()] = self._file(path, None)[0]
        return found

    def _file(self, path: Path, module: str | None) -> tuple[str, list[str]]:
        """Digest and imported names of a file; a file without a module name counts as bytes."""
        status = path.stat()
        # The form of a syntax tree differs between versions of Python.
        state = [status.st_size, status.st_mtime_ns, sys.version_info[1]]
        key = path.relative_to(self._root).as_posix()
        memo = self._files.get(key)
        if not memo or memo[:3] != state:
            content = path.read_bytes()
            if module is None:
                digest, imports = hashlib.sha256(content).hexdigest(), []
            else:
                tree = ast.parse(content, filename=str(path))
                imports = _imported(tree, module, is_package=path.name == "__init__.py")
                digest = hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()
            memo = self._files[key] = [*state, digest, imports]
        return memo[3], memo[4]


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
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    parents = {name.rsplit(".", cut)[0] for name in names for cut in range(1, name.count(".") + 1)}
    return sorted(name for name in names | parents if name.split(".")[0] in ("pipeline", "stages"))


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
