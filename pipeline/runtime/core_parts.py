"""Which sources of Jittor's core are compiled as one, and the text of such a one."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain

from pipeline.runtime.core_bindings import shortened
from pipeline.runtime.core_sources import Source
from pipeline.runtime.core_waiting import with_short_pauses

# Never joined: they define macros that others would see, need macros before the first header, have a name
# that others have too, or are large.
_ALONE = {
    "code_op.cc",
    "common_op_type.cc",
    "cpu_math.cc",
    "executor.cc",
    "expr.cc",
    "fp16_op_type.cc",
    "init.cc",
    "kernel_ir.cc",
    "lock.cc",
    "miniz.cc",
    "nano_string.cc",
    "numpy.cc",
    "op_compiler.cc",
    "profiler.cc",
    "pyjt_jit_flags.cc",
    "pyjt_jit_op_maker.cc",
    "var_holder.cc",
    "vtop.cc",
}
# Names that several files have for things of their own: an operator's constructor, a function.
_OWN_NAME = re.compile(
    r"^static (?:auto (make_\w+)\s*=|(?:inline )?(?:const )?[\w:<>]+[*& ]+(\w+)\()", re.MULTILINE
)
_BYTES_LIKE_HEADERS = 20_000  # of a source that take as long as a file's headers and templates


def parts(sources: list[Source], most: int) -> list[list[Source]]:
    """Neighbours that are compiled as one, in the given order.

    Args:
        sources: in the order of linking.
        most: how many are joined at most.
    """
    result: list[list[Source]] = []
    may_grow = False
    for source in sources:
        alone = source.path.name in _ALONE or source.path.suffix != ".cc"
        if may_grow and not alone and len(result[-1]) < most and result[-1][0].command == source.command:
            result[-1].append(source)
        else:
            result.append([source])
        may_grow = not alone
    return result


def joined_text(sources: Iterable[Source]) -> str:
    """A source that includes others, with names that several of them use made different."""
    texts = {source: source.path.read_text() for source in sources}
    names = {source: {"".join(found) for found in _OWN_NAME.findall(text)} for source, text in texts.items()}
    num_uses = Counter(chain.from_iterable(names.values()))
    lines = []
    for index, (source, text) in enumerate(texts.items()):
        shared = sorted(name for name in names[source] if num_uses[name] > 1)
        lines += [f"#define {name} {name}_{index}" for name in shared]
        edited = shortened(text, source.path) if source.is_binding else with_short_pauses(text, source.path)
        lines.append(edited or f'#include "{source.path}"')
        lines += [f"#undef {name}" for name in shared]
    return "\n".join(lines) + "\n"


def size_of(part: list[Source]) -> int:
    """A measure of how long a part takes to compile."""
    return sum(source.path.stat().st_size + _BYTES_LIKE_HEADERS for source in part)
