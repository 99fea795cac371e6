"""Which implementation of the kernels runs: our compiled ones or their plain Jittor twins."""

import jittor as jt

from pipeline.kernels import library

_CHOICES = ("fused", "plain")


class _State:
    choice = "fused"
    note: str | None = None


def use(choice: str) -> None:
    """Choose "fused" (compiled kernels, on a CPU) or "plain" (Jittor's own operators) from now on.

    Raises:
        ValueError: another word.
    """
    if choice not in _CHOICES:
        raise ValueError(f"kernels: {choice!r}; expected one of {', '.join(_CHOICES)}")
    _State.choice = choice


def current() -> str:
    """What runs now: "fused" or "plain", after the fall-back."""
    return "fused" if fused() else "plain"


def note() -> str | None:
    """Why "fused" fell back to "plain", wholly or in part; told once, then None."""
    said, _State.note = _State.note, None
    return said


def fused() -> bool:
    """Whether the compiled kernels run."""
    if _State.choice == "plain" or jt.flags.use_cuda:
        return False
    return _loaded() is not None


def fused_matmul() -> bool:
    """Whether the compiled kernels that multiply matrices (through oneDNN) run."""
    if not fused():
        return False
    return _loaded().has_onednn


def _loaded() -> library.Library | None:
    first = not library.tried()
    loaded = library.load()
    if first:
        _State.note = library.problem()
    return loaded
