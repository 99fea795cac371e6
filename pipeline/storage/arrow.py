"""Imports pyarrow, an optional dependency (the extra `hub`)."""

from typing import Any


def pyarrow(what: str) -> Any:
    """pyarrow, with its `ipc` and `parquet` modules imported.

    Args:
        what: start of the error's message, such as "FILE: .parquet is written".

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(
            f"{what} with pyarrow, which is not installed: python -m pip install -e '.[hub]'"
        ) from error
    return pyarrow
