"""Chooses the implementation of the kernels: compiled ones, or their plain Jittor twins."""

from pipeline.kernels import library

_CHOICES = ("fused", "plain")


class _State:
    choice = "fused"
    note: str | None = None


def use(choice: str) -> None:
    """Choose "fused" (compiled kernels) or "plain" (Jittor's own operators) from now on.

    Raises:
        ValueError: another name.
    """
    if choice not in _CHOICES:
        raise ValueError(f"kernels: {choice!r}; expected one of {', '.join(_CHOICES)}")
    _State.choice = choice


def current() -> str:
    """The implementation in use: "fused" or "plain", after falling back."""
    return "fused" if fused() else "plain"


def note() -> str | None:
    """Why "fused" fell back to "plain", wholly or in part; returned once, then None."""
    note, _State.note = _State.note, None
    return note


def fused() -> bool:
    """Whether the compiled kernels run."""
    return _State.choice == "fused" and _loaded() is not None


def fused_matmul() -> bool:
    """Whether the compiled kernels that multiply matrices (through oneDNN or cuBLASLt) run."""
    return fused() and _loaded().multiplies


def fused_on_processor() -> bool:
    """Whether the compiled kernels run, but not on a device, which lacks some of them."""
    return fused() and not _loaded().on_device


def on_device() -> bool:
    """Whether the compiled kernels run on a device, where a whole layer is one call."""
    return fused() and _loaded().on_device


def _loaded() -> library.Library | None:
    first = not library.tried()
    loaded = library.load()
    if first:
        _State.note = library.problem()
    return loaded
