"""Reads DICOM files through pydicom: one frame, in the units of its modality (for CT, Hounsfield units).

Of several frames one is taken, as `data.frame` says. As images of their own, the frames would be many of one
patient, in every split that is held out.
"""

import io
from typing import Any

import numpy as np

from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.stored import Stored
from pipeline.datasets.decode import UndecodableImage

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom converts them to RGB


def read_dicom(data: bytes, options: Options) -> Stored:
    """Pixels after the file's own rescaling, with low values as black.

    MONOCHROME1, in which high values are black, is inverted within the range of the stored bits. Pixels that
    the file marks as padding get the lowest value of the others. With `options.window_of_header` values are
    clipped to the first window that the file states, and scaled to 0 to 1.

    Raises:
        UndecodableImage: not a DICOM file, no pixels, several frames without `data.frame`, a compression that
            nothing installed decodes, another kind of colour, or no window where one is needed.
        ValueError: pydicom is not installed.
    """
    pydicom = _library()
    try:
        file = pydicom.dcmread(io.BytesIO(data))
        kind = str(file.get("PhotometricInterpretation", "none"))
        if "PixelData" not in file and "FloatPixelData" not in file:
            found = file.get("SOPClassUID", "no class")
            raise UndecodableImage(f"expected an image, found a DICOM file of {found}")
        num_frames, frame = _frame(file, options)
        if kind not in (*_GREY, *_COLOUR):
            raise UndecodableImage(f"expected {', '.join((*_GREY, *_COLOUR))}, found {kind}")
        if int(file.Rows) * int(file.Columns) > options.max_pixels:
            raise UndecodableImage(
                f"{file.Columns} x {file.Rows} pixels, more than max_pixels = {options.max_pixels}"
            )
        _put_in_place(file, frame)
        stored = pydicom.pixels.pixel_array(file, index=frame) if num_frames > 1 else file.pixel_array
        if kind in _COLOUR:
            if options.window_of_header:
                raise UndecodableImage(f'data.window "header" is of grey images, found {kind}')
            return Stored(stored, "last")
        values = _in_units(pydicom, file, stored, kind, options)
    except UndecodableImage:
        raise
    except Exception as error:  # for a damaged file pydicom raises whatever its parts raise
        raise UndecodableImage(f"DICOM that cannot be read: {type(error).__name__}: {error}") from error
    padding = _padding(file, stored)
    if padding is not None and padding.any() and not padding.all():
        values = np.where(padding, values[~padding].min(), values)
    return Stored(values)


def _library() -> Any:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise ValueError(
            "DICOM files are read with pydicom, which is not installed: "
            "python -m pip install -e '.[channels]'"
        ) from error
    return pydicom


def _frame(file: Any, options: Options) -> tuple[int, int]:
    """Number of frames of a file, and index of the one to read."""
    num_frames = int(file.get("NumberOfFrames") or 1)
    if num_frames == 1:
        return 1, 0
    if num_frames < 1 or options.frame is None:
        raise UndecodableImage(
            f'expected one frame, found {num_frames}: data.frame = "first" or "middle" takes one of them; or '
            "write each as a file of its own"
        )
    return num_frames, 0 if options.frame == "first" else num_frames // 2


def _put_in_place(file: Any, frame: int) -> None:
    """Move what an enhanced file states per frame to where plain files state it: rescaling and window.

    Source: DICOM PS3.3 C.7.6.16, functional groups; a frame's own values override those shared by all.
    """
    shared, of_frames = (file.get(f"{kind}FunctionalGroupsSequence") or [] for kind in ("Shared", "PerFrame"))
    for group in (*shared[:1], *of_frames[frame : frame + 1]):
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in (group.get(name) or [])[:1]:
                for element in item:
                    file.add(element)


def _in_units(pydicom: Any, file: Any, stored: np.ndarray, kind: str, options: Options) -> np.ndarray:
    rescaled = pydicom.pixels.apply_modality_lut(stored, file)
    is_inverted = kind == _GREY[0]
    if options.window_of_header:
        windowed = _windowed(file, np.asarray(rescaled, np.float64))
        return 1 - windowed if is_inverted else windowed
    if not is_inverted:
        return rescaled
    bits, is_signed = int(file.BitsStored), int(file.PixelRepresentation) == 1
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if is_signed else [0, 2**bits - 1])
    return np.asarray(pydicom.pixels.apply_modality_lut(ends, file), np.float64).sum() - rescaled


def _windowed(file: Any, values: np.ndarray) -> np.ndarray:
    """Values in the file's window, scaled to 0 to 1.

    Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.2, functions LINEAR and LINEAR_EXACT.
    """
    if "WindowCenter" not in file or "WindowWidth" not in file:
        raise UndecodableImage(
            'no WindowCenter and WindowWidth: data.window "header" needs them in every file'
        )
    center, width = (_first(file[name].value) for name in ("WindowCenter", "WindowWidth"))
    function = str(file.get("VOILUTFunction") or "LINEAR")
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise UndecodableImage(f"expected the window's function LINEAR or LINEAR_EXACT, found {function}")
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width <= 0:
        raise UndecodableImage(f"a window {file.WindowWidth} wide is none for the function {function}")
    return np.clip((values - center) / width + 0.5, 0, 1)


def _first(value: Any) -> float:
    """The first of several windows."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _padding(file: Any, stored: np.ndarray) -> np.ndarray | None:
    """True where the file marks a pixel as padding; None if it states no padding value."""
    if "PixelPaddingValue" not in file:
        return None
    value = int(file.PixelPaddingValue)
    ends = sorted((value, int(file.get("PixelPaddingRangeLimit", value))))
    return (stored >= ends[0]) & (stored <= ends[1])
