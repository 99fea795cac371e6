// What a packed upload says about images and crops.
#pragma once

#include "device.cuh"

namespace hssl {

// The layout is that of IMAGE_ENTRY in pipeline/transforms/packing.py.
struct ImageEntry {
    int64_t at;  // of its pixels, bytes from the start of the upload
    int32_t height, width;
};

// One crop; the layout is that of CROP_ORDER in pipeline/transforms/packing.py.
struct CropOrder {
    int32_t image;                          // index of its entry
    int32_t left, top, width, height;       // box of the image, pixels
    int32_t resized_width, resized_height;  // what the box becomes
    int32_t window_left, window_top;        // the crop's corner within that
    int32_t hue_shift;                      // 1/255 of a turn
    float brightness, contrast, saturation;  // factors, 1 = unchanged
    float blur_sigma;                        // pixels of the crop, 0 = none
    uint8_t flip, jitter, grey, solarize;
    uint8_t order[4];     // which adjustment comes first, ..., last
    int64_t rows_before;  // source rows that the crops before this one need
};

}  // namespace hssl
