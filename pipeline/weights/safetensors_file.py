"""Reads safetensors files, including number formats that NumPy lacks."""

import json
import mmap
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pipeline.weights.error import WeightsError
from pipeline.weights.stored_tensor import Storage, StoredTensor, checked_tensor, contiguous_strides

_FORMATS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
_LENGTH_BYTES = 8  # of the field before the header that holds its length


def read_safetensors(path: Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Tensors by name, and the file's metadata.

    Raises:
        WeightsError: there is no such file, or it is not a complete safetensors file.
    """
    try:
        # The library validates the whole header, but its NumPy arrays raise a TypeError at bfloat16.
        with safe_open(path, framework="numpy") as checked, open(path, "rb") as stream:
            metadata = checked.metadata() or {}
            length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
            header = json.loads(stream.read(length))
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: not a readable safetensors file ({reason})") from error
    start = _LENGTH_BYTES + length
    return {
        name: _tensor(path, mapped, start, entry) for name, entry in header.items() if name != "__metadata__"
    }, metadata


def _tensor(path: Path, mapped: mmap.mmap, start: int, entry: dict) -> StoredTensor:
    begin, end = entry["data_offsets"]
    shape, number_format = tuple(entry["shape"]), _FORMATS.get(entry["dtype"], entry["dtype"])
    storage = Storage(path, mapped, start + begin, end - begin)
    return checked_tensor(storage, number_format, shape, contiguous_strides(shape), 0)
