"""Where the images come from, how they are cropped, and how patches are masked."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.config.section import (
    AbsentUnlessGiven,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
    Share,
    without_absent,
)

Interval = tuple[Share, Share]
LabelValue = Annotated[int, Field(ge=0, le=65535)]  # of a pixel of a label map


class PhotoScenesConfig(Section):
    """The embedded data set, drawn from photographs that installed packages ship."""

    drawing: Literal["patches", "mosaics", "objects"] = "patches"
    image_size: PositiveInt = 32  # pixels, square
    num_train: PositiveInt = 4000  # images; `num_val` and `num_test` likewise
    num_val: PositiveInt = 800
    num_test: PositiveInt = 1600
    # With colour, even a random network tells most photographs apart by colour alone.
    colour: Literal["rgb", "grey"] = "grey"
    # Every crop gets the same mean and contrast, so that these reveal neither the class nor the photograph.
    even_light: bool = True
    min_crop: PositiveInt = 32  # pixels of the photograph: side of the smallest crop cut from it
    max_crop: PositiveInt = 72  # at most the side of a region of one split, which is near 64
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _ordered(self) -> "PhotoScenesConfig":
        if self.min_crop > self.max_crop:
            raise ValueError(f"min_crop {self.min_crop} is larger than max_crop {self.max_crop}")
        return self


class DataConfig(Section):
    """One prepared data set."""

    source: str = "photo-scenes"  # "photo-scenes", or a path, relative to the experiment's file
    # From "coco" on: folders of images that are annotated with objects, or with a class for every pixel.
    format: str = "auto"  # see `pipeline.datasets.catalog.FORMATS`
    # In label order; empty: as the source names them, else by number. Not for formats that always name them.
    class_names: tuple[str, ...] = ()
    # Label maps only: the pixel value of each class, e.g. [0, 255]. Empty: the format's own, counted from 0
    # (ADE20K: from 1).
    label_values: tuple[LabelValue, ...] = ()
    # Label maps only: pixel values that are ignored. None: the format's own (ADE20K 0, ImageNet-S 1000,
    # CamVid 11 and 255, else 255). Any other value that is no class is an error.
    ignored_labels: tuple[LabelValue, ...] | None = None
    # The annotation that every image must have, else preparing fails; "any": a class, or none. The data of
    # `segmentation` and of `detection` have theirs set.
    annotation: Literal["any", "label-map", "objects"] = "any"
    # Objects only: regions of many objects (COCO's iscrowd, VOC's difficult) are ignored in scores and as
    # targets; "objects": each is an object, as where a converter marked masks with parts or holes as crowds.
    crowds: Literal["ignored", "objects"] = "ignored"
    # Objects only: boxes that reach beyond their image are cut at its edges. If most do, they are refused as
    # written in another way than the format's; true: they do so on purpose, as amodal boxes.
    amodal: Annotated[bool | None, AbsentUnlessGiven] = None
    # VOC's boxes only. "from-1": pixels counted from 1, both corners inside, as VOC's own; "from-0": edges
    # counted from 0, so that xmax - xmin is the width; "pixels-from-0": pixels counted from 0, both corners
    # inside; "auto": what the set's corners show, else "from-1".
    corners: Literal["auto", "from-1", "from-0", "pixels-from-0"] = "auto"
    # VOC's boxes only: an image without an xml file is left out and counted, or has no objects, as some
    # programs mean it.
    unannotated: Literal["left-out", "no-objects"] = "left-out"
    # The role of a folder, or of a part that the source names otherwise: "train", "val", "test", "class", or
    # "unused", which leaves it out (files too). By name or pattern: { "Final_Test" = "test", "*_mask.png" =
    # "unused" }. Needed only where names alone are ambiguous; a message then says so.
    parts: dict[str, Literal["train", "val", "test", "class", "unused"]] = Field(default_factory=dict)
    # Tables only (csv, hub-folder, parquet, arrow, webdataset): the columns of images, labels and splits
    # if their names do not tell, e.g. { image = "file", label = "species" }; { label = "" } reads no
    # labels. Of webdataset, keys of .json.
    columns: dict[Literal["image", "label", "split"], str] = Field(default_factory=dict)
    # Tables of csv, hub-folder, parquet and arrow, and arrays: how many labels an image has. None: what the
    # file shows; "several": an image may have any number, also on several lines; "one": several are refused.
    labels: Annotated[Literal["one", "several"] | None, AbsentUnlessGiven] = None
    # Of tables: the separator of labels in a cell, e.g. " ". None: "|", ";", or the commas of a list.
    label_separator: Annotated[str | None, Field(min_length=1), AbsentUnlessGiven] = None
    # Of tables: the text of cells without a label, e.g. ["none", "?"]. None: nothing, -1, nan, <NA> or NaT;
    # None, null and NA could be classes, and are refused unless listed here; [] makes all words classes.
    missing_labels: Annotated[tuple[str, ...] | None, AbsentUnlessGiven] = None
    # Lists with a column of 0 and 1 for each class: the meaning of -1, used for uncertain labels. An empty
    # cell is "absent" then. None: neither is read.
    uncertain_labels: Annotated[Literal["absent", "present"] | None, AbsentUnlessGiven] = None
    class_folders: bool = True  # false: folders (below splits, or all) are no classes, images have no labels
    # 16-bit grey only: the values that become black and white. None: the full range if the images use more
    # than half of it, else the range that they use.
    grey_range: tuple[NonNegative, Positive] | None = None
    val_share: Share = 0.1  # of the training part, held out where the source has no validation split
    test_share: Share = 0.2  # of everything, held out where the source has neither test nor validation
    split_seed: NonNegativeInt = 0  # of the images that are held out
    max_bad_share: Share = 0.01  # preparing fails if a larger share of the images is unusable
    max_pixels: PositiveInt = 64_000_000  # a larger image is refused as a decompression bomb
    max_store_gib: NonNegative = 2.0  # decoded images are kept in one file while they fit into this
    normalization: Literal["imagenet", "dataset"] = "imagenet"  # channel mean and standard deviation
    # Channels of every image, which is then read as numbers and kept as float32: TIFF, .npy, .npz, HDF5,
    # DICOM, PNG. None: images are read as RGB of 8 bits.
    channels: Annotated[PositiveInt | None, AbsentUnlessGiven] = None
    # With `channels`, of arrays whose shape leaves it open: where the channels are.
    channel_axis: Annotated[Literal["first", "last"] | None, AbsentUnlessGiven] = None
    # With `channels`: values outside are clipped. "percentile": to the 0.1 and 99.9 percentile of the set, of
    # each channel; "header": the window that each DICOM file states, scaled to 0 to 1. None: no clipping.
    window: Annotated[Literal["header", "percentile"] | tuple[float, float] | None, AbsentUnlessGiven] = None
    # With `channels`: the value that a TIFF file marks as "no data". None: an image that has it is left out;
    # "kept": it is a value like others.
    no_data: Annotated[Literal["kept"] | None, AbsentUnlessGiven] = None
    # With `channels`, of DICOM files with several frames: the frame to read. None: such a file is
    # left out.
    frame: Annotated[Literal["first", "middle"] | None, AbsentUnlessGiven] = None
    # With `channels`: which of them pictures show as red, green and blue, counted from 0. None: the first
    # three; where there are fewer, the first in grey.
    picture_channels: Annotated[
        tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt] | None, AbsentUnlessGiven
    ] = None
    photo_scenes: PhotoScenesConfig = PhotoScenesConfig()

    @model_serializer(mode="wrap")
    def _dumped(self, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(self, dumped)

    @model_validator(mode="before")
    @classmethod
    def _normed_by_its_own(cls, values: Any) -> Any:
        """ImageNet's mean and deviation are those of 8-bit RGB, so channels need the data set's own."""
        if isinstance(values, dict) and values.get("channels") is not None:
            return {"normalization": "dataset"} | values
        return values

    @model_validator(mode="after")
    def _channels_agree(self) -> "DataConfig":
        if self.channels is None:
            for name in ("channel_axis", "window", "no_data", "frame", "picture_channels"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is of data with channels, and data.channels is not given")
            return self
        if self.normalization != "dataset":
            raise ValueError(
                f"normalization {self.normalization!r} is of RGB in 8 bits; channels "
                f'{self.channels} needs "dataset"'
            )
        if self.grey_range:
            raise ValueError("grey_range is of images that become 8 bits; with channels, state window")
        if isinstance(self.window, tuple) and self.window[0] >= self.window[1]:
            raise ValueError(f"window must be (lowest, highest), got {self.window}")
        if beyond := [number for number in self.picture_channels or () if number >= self.channels]:
            raise ValueError(
                f"picture_channels count from 0 and must be below channels {self.channels}, got {beyond}"
            )
        return self

    @model_validator(mode="after")
    def _labels_agree(self) -> "DataConfig":
        if self.label_separator is not None and self.labels == "one":
            raise ValueError('label_separator is of several labels in a cell; labels is "one"')
        if self.uncertain_labels and self.labels == "one":
            raise ValueError('uncertain_labels is of a column for each class; labels is "one"')
        for name in ("class_names", "label_values"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must be distinct, got {list(values)}")
        if self.class_names and self.label_values and len(self.class_names) != len(self.label_values):
            raise ValueError(
                f"class_names and label_values must be equally many, "
                f"got {len(self.class_names)} and {len(self.label_values)}"
            )
        if self.grey_range and self.grey_range[0] >= self.grey_range[1]:
            raise ValueError(f"grey_range must be (black, white), got {self.grey_range}")
        if both := sorted(set(self.label_values) & set(self.ignored_labels or ())):
            raise ValueError(f"label_values and ignored_labels both hold {both}")
        return self


class CropConfig(Section):
    """Multi-crop augmentation. Defaults: iBOT's, as in the published HSSL command."""

    global_size: PositiveInt = 224  # pixels
    global_scale: Interval = (0.14, 1.0)  # share of the image's area
    num_global: int = Field(default=2, ge=2)  # for student and teacher
    local_size: PositiveInt = 96  # pixels
    local_scale: Interval = (0.05, 0.4)  # share of the image's area
    num_local: NonNegativeInt = 0  # small crops, for the student only
    aspect_ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    flip_probability: Share = 0.5
    jitter_probability: Share = 0.8
    brightness: NonNegative = 0.4
    contrast: NonNegative = 0.4
    saturation: NonNegative = 0.2
    hue: float = Field(default=0.1, ge=0, le=0.5)
    grey_probability: Share = 0.2
    # Per crop: first global, further globals, locals.
    blur_probability: tuple[Share, Share, Share] = (1.0, 0.1, 0.5)
    blur_sigma: tuple[Positive, Positive] = (0.1, 2.0)  # pixels of the crop
    solarize_probability: tuple[Share, Share, Share] = (0.0, 0.2, 0.0)

    @model_validator(mode="after")
    def _ordered(self) -> "CropConfig":
        for name in ("global_scale", "local_scale", "aspect_ratio", "blur_sigma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be (low, high), got ({low}, {high})")
        return self


class MaskConfig(Section):
    """Block masks over the patch grid of the student's global crops (iBOT)."""

    # Each crop draws one ratio with equal probability; a ratio r with variation v means U(r - v, r + v).
    ratios: tuple[Share, ...] = (0.0, 0.3)
    ratio_variations: tuple[Share, ...] = (0.0, 0.2)
    min_aspect: Positive = 0.3
    shape: Literal["block", "random"] = "block"  # rectangles of patches (iBOT), or patches one by one

    @model_validator(mode="after")
    def _paired(self) -> "MaskConfig":
        if len(self.ratios) != len(self.ratio_variations) or not self.ratios:
            raise ValueError(
                f"ratios and ratio_variations must be equally many and not empty, "
                f"got {len(self.ratios)} and {len(self.ratio_variations)}"
            )
        for ratio, variation in zip(self.ratios, self.ratio_variations, strict=True):
            if not 0 <= ratio - variation <= ratio + variation < 1:
                raise ValueError(f"mask ratio {ratio} with variation {variation} leaves [0, 1)")
        return self
