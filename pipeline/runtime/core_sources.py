"""How each source of Jittor's core is compiled: how far optimised, and which of them not at all."""

import shlex
from dataclasses import dataclass
from pathlib import Path

_BINDINGS = "gen"  # name of the folder of Python's side of the core's functions
# Folders of sources for which no step waits: passes over a new operator, profiling. They take a third less
# time to compile at -O1. At -O0 no precompiled header serves, as it was made with optimisation.
_LIGHT = {"opt", "profiler"}
WAITING = "parallel_compiler.cc"  # waits for the compilers of operators
_ZIP = "miniz.cc"  # a reader of zip files that nothing here calls
# What nothing here calls has an empty source in its place: Jittor's tests of itself, an example of oneDNN.
# Others refer to these names; the example reports that it failed.
_TESTS = "test"
_LEFT_OUT = {
    "pyjt_jit_tests.cc": "struct _object;\nnamespace jittor { void pyjt_def_jit_tests(_object*) {} }\n",
    "cpu_cnn_inference_f32.cpp": "int mkl_test_entry() { return 1; }\n",
}


@dataclass(frozen=True)
class Source:
    """One file to compile."""

    path: Path
    output: Path
    command: tuple[str, ...]  # without source and output

    def compiled_from(self, path: Path) -> list[str]:
        """The command with another source."""
        return [self.command[0], str(path), *self.command[1:], "-o", str(self.output)]

    @property
    def is_binding(self) -> bool:
        """Whether it is generated, and makes functions known to Python."""
        return self.path.parent.name == _BINDINGS

    @property
    def is_edited(self) -> bool:
        """Whether its text is changed before it is compiled."""
        return self.is_binding or self.path.name == WAITING

    @property
    def stand_in(self) -> str | None:
        """The text to compile in its place; None if it is needed."""
        return "" if _TESTS in _inside_jittor(self.path) else _LEFT_OUT.get(self.path.name)


def parsed(command: str) -> Source:
    """A command of Jittor: compiler, source, flags, -o, output."""
    compiler, path, *flags, _, output = shlex.split(command)
    if "-O2" in flags and (level := _lower_level(Path(path))):
        flags.append(level)
    return Source(Path(path), Path(output), (compiler, *flags))


def _lower_level(path: Path) -> str | None:
    """How little a source is optimised, if less than Jittor has it."""
    if path.name == _ZIP or path.parent.name == _BINDINGS:
        return "-Og"
    if path.name == "op_compiler.cc" or _LIGHT & set(_inside_jittor(path)):
        return "-O1"
    return None


def _inside_jittor(path: Path) -> tuple[str, ...]:
    """The parts of a path below Jittor's folder of sources; none if it is not there."""
    return path.parts[len(path.parts) - path.parts[::-1].index("src") :] if "src" in path.parts else ()
