"""Which implementation of the kernels runs: our compiled ones or their plain Jittor twins."""

from pipeline.kernels import library

_CHOICES = ("fused", "plain")


class _State:
    choice = "fused"
    note: str | None = None


def use(choice: str) -> None:
    """Choose "fused" (compiled kernels) or "plain" (Jittor's own operators) from now on.

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
    note, _State.note = _State.note, None
    return note


def fused() -> bool:
    """Whether the compiled kernels run."""
    return _State.choice == "fused" and _loaded() is not None


def fused_matmul() -> bool:
    """Whether the compiled kernels that multiply matrices (through oneDNN or cuBLASLt) run."""
    return fused() and _loaded().multiplies


def fused_on_processor() -> bool:
    """Whether the compiled kernels run, and not on a device: of those that it lacks."""
    return fused() and not _loaded().on_device


def on_device() -> bool:
    """Whether the compiled kernels run, and on a device: whole layers are one call there."""
    return fused() and _loaded().on_device


def _loaded() -> library.Library | None:
    first = not library.tried()
    loaded = library.load()
    if first:
        _State.note = library.problem()
    return loaded
