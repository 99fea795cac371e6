"""Names of image files. Standard library only: the task graph uses it too."""

from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpc",
        # Read if Pillow or a plug-in for it can; otherwise each is refused with the name of the package to
        # install.
        ".avif",
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
    )
)

LIST_SUFFIXES = (".csv", ".tsv", ".parquet")  # of lists of images in the list's folder


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image (suffix in any case)."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
