"""Makes Jittor's core notice at once that new operators are ready.

A thread that waits for compilers, or for operators to be loaded, looks for them after pauses that double from
10 microseconds to a second. So it waits about as long again as they took: half a second, for operators that
were ready after half a second.
"""

from pathlib import Path

from pipeline.runtime.core_sources import WAITING

_LONG_PAUSES = "sleep_us = std::min(sleep_us*2, 1000000);"
_SHORT_PAUSES = "sleep_us = std::min(sleep_us*2, 1000);"


def with_short_pauses(text: str, path: Path) -> str | None:
    """The text of the source that waits, with pauses of a millisecond at most; None for all other sources.

    Args:
        text: of a source of Jittor's core.
        path: of the source, which messages name with the line.
    """
    if path.name != WAITING or _LONG_PAUSES not in text:
        return None
    return f'#line 1 "{path}"\n{text.replace(_LONG_PAUSES, _SHORT_PAUSES)}'
