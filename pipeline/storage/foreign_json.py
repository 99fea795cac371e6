"""JSON that others wrote: as many levels as annotations have, however deep Python may recurse here."""

import json
import re
from typing import Any

import numpy as np

MOST_LEVELS = 64  # COCO, labelme and Hugging Face use at most 8
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OPENING, _CLOSING = tuple(b"[{"), tuple(b"]}")


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: no JSON, or more than MOST_LEVELS levels.
    """
    content = content.encode() if isinstance(content, str) else content
    refuse_deep(content)
    return json.loads(content)


def refuse_deep(content: bytes) -> None:
    """Refuse lists and objects within each other beyond MOST_LEVELS, without recursion.

    Raises:
        ValueError: says how many levels there are.
    """
    codes = np.frombuffer(_TEXT.sub(b"", content), np.uint8)
    steps = np.isin(codes, _OPENING).astype(np.int64) - np.isin(codes, _CLOSING)
    if (levels := int(steps.cumsum().max(initial=0))) > MOST_LEVELS:
        raise ValueError(f"expected at most {MOST_LEVELS} levels, found {levels} within each other")
