"""Reads PyTorch's files (`.pth`, `.pt`), in the zip and the older format, without PyTorch and unpickling.

The result holds plain values: dictionaries, lists, tuples, numbers, strings, and `StoredTensor` for tensors.
Sizes that the file states are never trusted: files are mapped, and every tensor is checked to lie within the
existing bytes.

Source: torch/serialization.py of PyTorch for both formats; torch/_utils.py for how tensors are pickled.
"""

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.weights.error import WeightsError
from pipeline.weights.number_formats import bytes_of_one
from pipeline.weights.plain_pickle import Attributes, Name, PickleRefused, plain_value
from pipeline.weights.stored_tensor import Storage, StoredTensor, checked_tensor

_MAGIC = 0x1950A86A20F9469CFC6C  # the first value of a file of the older form
_OLDER_FORM = 1001  # the second
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, of the extra field
_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.storage.UntypedStorage": "uint8",
}


def read_torch_file(path: Path, *, leave_out: bool = False) -> Any:
    """The plain value that `torch.save` wrote.

    Args:
        leave_out: objects of other classes become `Foreign`, unread; else they are refused.

    Raises:
        WeightsError: the file is missing, not PyTorch's, damaged, or holds more than plain values.
    """
    try:
        with open(path, "rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise WeightsError(f"{path}: not readable ({error})") from error
    try:
        if mapped[:4] == b"PK\x03\x04":
            return _Zip(path, mapped, leave_out).value()
        return _OlderForm(path, mapped, leave_out).value()
    except PickleRefused as refused:
        raise WeightsError(f"{path}: holds {refused}") from refused


class _Zip:
    """The zip format: data.pkl, and the bytes of each storage as an uncompressed member."""

    def __init__(self, path: Path, mapped: mmap.mmap, leave_out: bool):
        self._path, self._mapped, self._leave_out = path, mapped, leave_out
        self._storages: dict[str, Storage | None] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {member.filename: member for member in archive.infolist()}
        except Exception as error:  # zipfile raises a dozen types for a damaged directory
            raise WeightsError(f"{path}: a damaged zip archive ({type(error).__name__})") from error
        pickles = [name for name in self._members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"{path}: a zip archive, but none that torch.save writes: no data.pkl in it")
        self._folder = pickles[0].removesuffix("data.pkl")
        if f"{self._folder}constants.pkl" in self._members:
            raise WeightsError(f"{path}: a TorchScript program; save its state_dict() with torch.save")

    def value(self) -> Any:
        order = self._member("byteorder")
        if order is not None and order.stored.tobytes() != b"little":
            raise WeightsError(f"{self._path}: numbers are not little-endian")
        stored = self._member("data.pkl").stored.tobytes()
        calls, stream = _calls(self._path), io.BytesIO(stored)
        return plain_value(stream, calls, _is_name, self._storage, leave_out=self._leave_out)

    def _storage(self, persistent_id: Any) -> tuple[Storage, str]:
        number_format, key, num = _checked_id(persistent_id)
        if key not in self._storages:
            self._storages[key] = self._member(f"data/{key}")
        storage = self._storages[key]
        if storage is None:
            raise PickleRefused(f"a tensor whose storage {key!r} is not in the archive")
        if num * bytes_of_one(number_format) != storage.num_bytes:
            raise PickleRefused(
                f"a storage of {storage.num_bytes} bytes, expected {num} numbers of {number_format}"
            )
        return storage, number_format

    def _member(self, name: str) -> Storage | None:
        member = self._members.get(self._folder + name)
        if member is None:
            return None
        size, start = len(self._mapped), member.header_offset
        if not 0 <= start <= size - _LOCAL_HEADER.size:
            raise WeightsError(f"{self._path}: truncated: {member.filename!r} is not in it")
        signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(self._mapped, start)
        if signature != b"PK\x03\x04" or member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise WeightsError(f"{self._path}: damaged: {member.filename!r} is not stored as it is")
        start += _LOCAL_HEADER.size + name_length + extra_length
        if member.file_size != member.compress_size or start + member.file_size > size:
            raise WeightsError(f"{self._path}: truncated: {member.filename!r} is not whole")
        return Storage(self._path, self._mapped, start, member.file_size, member.CRC)


class _OlderForm:
    """The older format: pickles (magic number, version, machine, value, storage keys), then the storages.

    The offset of a storage is known only after the value was read, so tensors are built in a second pass.
    """

    def __init__(self, path: Path, mapped: mmap.mmap, leave_out: bool):
        self._path, self._mapped, self._leave_out = path, mapped, leave_out
        self._claimed: dict[str, tuple[str, int]] = {}  # key -> format, number of numbers
        self._storages: dict[str, Storage] = {}

    def value(self) -> Any:
        if self._mapped[:1] != b"\x80" or self._pickle() != _MAGIC:
            raise WeightsError(
                f"{self._path}: no file of torch.save; it begins with the bytes {self._mapped[:8].hex(' ')}"
            )
        if self._pickle() != _OLDER_FORM:
            raise WeightsError(f"{self._path}: a form of torch.save that is not read")
        machine = self._pickle()
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise WeightsError(f"{self._path}: numbers are not little-endian")
        start = self._mapped.tell()
        self._pickle(self._claim)
        keys = self._pickle()
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise WeightsError(f"{self._path}: damaged: no list of storages")
        self._place(keys)
        self._mapped.seek(start)
        return self._pickle(self._storage)

    def _pickle(self, persistent: Callable[[Any], Any] | None = None) -> Any:
        calls, found = _calls(self._path), persistent or _checked_id
        return plain_value(self._mapped, calls, _is_name, found, leave_out=self._leave_out)

    def _claim(self, persistent_id: Any) -> tuple[Storage, str]:
        number_format, key, num = _checked_id(persistent_id)
        self._claimed.setdefault(key, (number_format, num))
        # A provisional storage of the claimed size; the second pass checks it against the file.
        return Storage(self._path, self._mapped, 0, num * bytes_of_one(number_format)), number_format

    def _storage(self, persistent_id: Any) -> tuple[Storage, str]:
        number_format, key, num = _checked_id(persistent_id)
        storage = self._storages.get(key)
        if storage is None or storage.num_bytes != num * bytes_of_one(number_format):
            raise PickleRefused(f"a tensor whose storage {key!r} is not in the file")
        return storage, number_format

    def _place(self, keys: list[str]) -> None:
        """Locate the storages, which are consecutive: each has its length in 8 bytes, then its numbers."""
        position, size = self._mapped.tell(), len(self._mapped)
        for key in keys:
            number_format, num = self._claimed.get(key, ("", 0))
            stated = self._mapped[position : position + 8]
            if not number_format or stated != num.to_bytes(8, "little"):
                raise WeightsError(f"{self._path}: damaged or truncated: no storage {key!r} of {num} numbers")
            num_bytes = num * bytes_of_one(number_format)
            if position + 8 + num_bytes > size:
                raise WeightsError(f"{self._path}: truncated: the storage {key!r} is not whole")
            self._storages[key] = Storage(self._path, self._mapped, position + 8, num_bytes)
            position += 8 + num_bytes


def _checked_id(persistent_id: Any) -> tuple[str, str, int]:
    """Number format, key and length from a persistent id ("storage", type, key, device, length, ...)."""
    match persistent_id:
        case ("storage", Name(text=text), str(key), str(), int(num), *rest) if (
            text in _STORAGES and 0 <= num < 2**62 and not any(part is not None for part in rest)
        ):
            return _STORAGES[text], key, num
    raise PickleRefused("a storage that is not described as torch.save does")


def _is_name(text: str) -> bool:
    is_format = text.startswith("torch.") and bytes_of_one(text.removeprefix("torch.")) is not None
    return is_format or text in _STORAGES


def _calls(path: Path) -> dict[str, Callable[..., Any]]:
    """Names that a weights file may call -> functions that replace them."""

    def tensor(storage, offset, shape, strides, *_) -> StoredTensor:
        return checked_tensor(*_stored(storage), shape, strides, offset)

    def typed_tensor(storage, offset, shape, strides, _grad, _hooks, dtype, *_) -> StoredTensor:
        if not isinstance(dtype, Name):
            raise PickleRefused("a tensor without a number format")
        return checked_tensor(_stored(storage)[0], dtype.text.removeprefix("torch."), shape, strides, offset)

    def parameter(data, *_) -> StoredTensor:
        if not isinstance(data, StoredTensor):
            raise PickleRefused("a parameter without a tensor")
        return data

    return {
        "collections.OrderedDict": _ordered,
        "argparse.Namespace": Attributes,
        "torch.Size": lambda sizes: tuple(sizes),
        "torch.device": lambda kind, index=0: (kind, index),
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor_v3": typed_tensor,
        "torch._utils._rebuild_parameter": parameter,
    }


def _ordered(pairs=()) -> dict:
    if pairs:
        raise PickleRefused("an OrderedDict that is not filled item by item")
    return {}


def _stored(value: Any) -> tuple[Storage, str]:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Storage):
        return value
    raise PickleRefused("a tensor without a storage")
