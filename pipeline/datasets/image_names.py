"""Names of image files. Standard library only: the task graph uses it too."""

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
    return stem_and_suffix(name)[1] in IMAGE_SUFFIXES


def stem_and_suffix(path: str) -> tuple[str, str]:
    """The last name of a path with "/", without its suffix; and its suffix in lower case, "" where none is.

    As `pathlib` has them, in a tenth of its time: every image's name is asked some times.
    """
    name = path.rpartition("/")[2]
    place = name.rfind(".")
    return (name[:place], name[place:].lower()) if 0 < place < len(name) - 1 else (name, "")
