"""The library: data, models, objective, probes and tables. It reads no command line and prints nothing.

`from pipeline import load_backbone` is the one name to use from code of your own.
"""

import pkgutil

__all__ = ["load_backbone"]

# Found when it is asked for, and by name: every stage imports this package, and none needs what is behind it.
_PUBLIC = {"load_backbone": "pipeline.export.loaded_backbone:load_backbone"}


def __getattr__(name: str):
    if name in _PUBLIC:
        return pkgutil.resolve_name(_PUBLIC[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
