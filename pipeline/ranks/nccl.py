"""NCCL's collectives between GPUs, one rank each, through ctypes.

They run on a stream of their own. Calls return once the work is queued; `follow` and `lead` order it after
and before what Jittor queues on the legacy stream.

Source: nccl.h of NCCL 2, whose names, numbers and types are checked by the tests.
"""

import ctypes
from collections.abc import Callable, Sequence

UNIQUE_ID_BYTES = 128
_FLOAT32, _SUM, _MEAN = 7, 0, 4  # ncclDataType_t, ncclRedOp_t
_NON_BLOCKING, _NO_TIMING = 1, 2  # flags of streams and events: not ordered with the legacy stream; cheap
_LEGACY_STREAM = ctypes.c_void_p(None)

Address = int


class NcclFailed(RuntimeError):
    """A call of NCCL or of CUDA's runtime failed; the message names it and what the library says."""


class _UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * UNIQUE_ID_BYTES)]


class Nccl:
    """The loaded library.

    Args:
        library: NCCL 2.
    """

    def __init__(self, library: ctypes.CDLL):
        self._library = library
        library.ncclGetErrorString.restype = library.ncclGetLastError.restype = ctypes.c_char_p
        library.ncclGetErrorString.argtypes = [ctypes.c_int]
        library.ncclGetLastError.argtypes = [ctypes.c_void_p]
        library.ncclCommInitRank.argtypes = [
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_int,
            _UniqueId,
            ctypes.c_int,
        ]
        pointers, count = [ctypes.c_void_p] * 2, ctypes.c_size_t
        number, stream = ctypes.c_int, [ctypes.c_void_p] * 2
        library.ncclAllReduce.argtypes = [*pointers, count, number, number, *stream]
        library.ncclAllGather.argtypes = [*pointers, count, number, *stream]
        library.ncclCommDestroy.argtypes = [ctypes.c_void_p]
        library.ncclCommGetAsyncError.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]

    def unique_id(self) -> bytes:
        """A new id, by which ranks find each other; made by one of them.

        Raises:
            NcclFailed: for example, this host has no network interface.
        """
        made = _UniqueId()
        self.call("ncclGetUniqueId", ctypes.byref(made))
        return bytes(made)

    def communicator(self, unique_id: bytes, index: int, count: int) -> ctypes.c_void_p:
        """Join `count` ranks as number `index`, with the current GPU. Collective.

        Raises:
            NcclFailed: two ranks have one GPU, the driver is too old, they do not reach each other, ...
        """
        made = ctypes.c_void_p()
        self.call("ncclCommInitRank", ctypes.byref(made), count, _UniqueId.from_buffer_copy(unique_id), index)
        return made

    def call(self, name: str, *arguments: object) -> None:
        """Call a function.

        Raises:
            NcclFailed: it reports an error.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            said = [self._library.ncclGetErrorString(status), self._library.ncclGetLastError(None)]
            words = "; ".join(text.decode(errors="replace").strip() for text in said if text)
            raise NcclFailed(f"{name}: {words}")


class Communicator:
    """This rank's connection to the others.

    Args:
        nccl: the library.
        runtime: CUDA's runtime that Jittor uses.
        joined: what `Nccl.communicator` returned.
    """

    def __init__(self, nccl: Nccl, runtime: ctypes.CDLL, joined: ctypes.c_void_p):
        self._nccl, self._runtime, self._joined = nccl, runtime, joined
        self._stream, self._event = ctypes.c_void_p(), ctypes.c_void_p()
        self._cuda("cudaStreamCreateWithFlags", ctypes.byref(self._stream), _NON_BLOCKING)
        self._cuda("cudaEventCreateWithFlags", ctypes.byref(self._event), _NO_TIMING)

    def follow(self) -> None:
        """Whatever is queued here from now on waits for what Jittor has queued so far."""
        self._order(_LEGACY_STREAM, self._stream)

    def lead(self) -> None:
        """Whatever Jittor queues from now on waits for what is queued here so far."""
        self._order(self._stream, _LEGACY_STREAM)

    def all_reduce(self, arrays: Sequence[tuple[Address, Address, int]], *, mean: bool) -> None:
        """Queue sums or means over ranks, in one launch; the same bits in every rank.

        Args:
            arrays: (source, target, number of float32) of each, in the same order in every rank.
            mean: of the ranks, else their sum.

        Raises:
            NcclFailed: for example, another rank has ended.
        """
        operation = _MEAN if mean else _SUM
        with _Group(self):
            for source, target, size in arrays:
                self._nccl.call(
                    "ncclAllReduce", source, target, size, _FLOAT32, operation, self._joined, self._stream
                )

    def all_gather(self, source: Address, target: Address, size: int) -> None:
        """Queue: `target` gets the `size` float32 of every rank, in their order.

        Raises:
            NcclFailed: for example, another rank has ended.
        """
        self._check_others()
        self._nccl.call("ncclAllGather", source, target, size, _FLOAT32, self._joined, self._stream)

    def then(self, function: Callable, argument: Address) -> None:
        """Queue a call of a C function; not of Python, which may be waiting for the device itself."""
        self._cuda("cudaLaunchHostFunc", self._stream, function, ctypes.c_void_p(argument))

    def close(self) -> None:
        """Leave the other ranks. Collective."""
        if self._joined:
            self._nccl.call("ncclCommDestroy", self._joined)
            self._joined = ctypes.c_void_p()

    def _check_others(self) -> None:
        """Raise an error that has happened since an earlier call, such as a broken connection."""
        status = ctypes.c_int(0)
        self._nccl.call("ncclCommGetAsyncError", self._joined, ctypes.byref(status))
        if status.value:
            raise NcclFailed(f"the ranks' connection broke: NCCL reports error {status.value}")

    def _order(self, first: ctypes.c_void_p, then: ctypes.c_void_p) -> None:
        self._cuda("cudaEventRecord", self._event, first)
        self._cuda("cudaStreamWaitEvent", then, self._event, 0)

    def _cuda(self, name: str, *arguments: object) -> None:
        status = getattr(self._runtime, name)(*arguments)
        if status:
            self._runtime.cudaGetErrorString.restype = ctypes.c_char_p
            said = self._runtime.cudaGetErrorString(status)
            raise NcclFailed(f"{name}: CUDA reports {said.decode(errors='replace')!r}")


class _Group:
    """NCCL queues the calls in the block together."""

    def __init__(self, communicator: Communicator):
        self._communicator = communicator

    def __enter__(self) -> None:
        self._communicator._check_others()
        self._communicator._nccl.call("ncclGroupStart")

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self._communicator._nccl.call("ncclGroupEnd")
