"""How messages name folders, and the key that says what they are."""

from collections.abc import Iterable, Mapping

from pipeline.datasets.split_words import Role

_SHOWN = 5  # folders that a message lists


def listed(names: Iterable[str]) -> str:
    """Folders for a message."""
    names = sorted(names)
    shown = ", ".join(f"{name}/" for name in names[:_SHOWN])
    return f"{shown}, ... ({len(names)})" if len(names) > _SHOWN else shown


def parts_key(roles: Mapping[str, Role]) -> str:
    """`data.parts` as to be written in an experiment."""
    shown = ", ".join(f'"{name}" = "{role}"' for name, role in list(roles.items())[:_SHOWN])
    return f"data.parts = {{ {shown} }}"
