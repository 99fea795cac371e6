"""pyarrow, which may be missing: the extra `hub`."""

from typing import Any


def pyarrow(what: str) -> Any:
    """pyarrow with the modules that are used here.

    Args:
        what: begins the message if it is missing: "FILE: .parquet is written".

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
