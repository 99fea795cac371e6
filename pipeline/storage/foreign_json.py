"""JSON from other programs, read with a fixed limit on nesting, whatever Python's recursion limit is."""

import json
import re
from typing import Any

import numpy as np

MOST_LEVELS = 64  # COCO, labelme and Hugging Face use at most 8
MOST_BYTES = 2**28  # labelme puts whole images into its files
# An unterminated string matches to the end of the text: else every quote in it would be tried as a start.
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_OPENING, _CLOSING = tuple(b"[{"), tuple(b"]}")


def parse_json(content: bytes | str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: it is not JSON, has more than MOST_BYTES, or is nested more than MOST_LEVELS levels deep.
    """
    content = content.encode() if isinstance(content, str) else content
    if len(content) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes, found {len(content)}")
    refuse_deep(content)
    return json.loads(content)


def refuse_deep(content: bytes) -> None:
    """Check, without recursion, that lists and objects are nested at most MOST_LEVELS deep.

    Raises:
        ValueError: they are nested deeper; the message says how deep.
    """
    codes = np.frombuffer(_TEXT.sub(b"", content), np.uint8)
    steps = np.isin(codes, _OPENING).astype(np.int64) - np.isin(codes, _CLOSING)
    if (levels := int(steps.cumsum().max(initial=0))) > MOST_LEVELS:
        raise ValueError(f"expected at most {MOST_LEVELS} levels, found {levels} within each other")
