// Crops of 8-bit RGB images, augmented and normalised. Single-threaded and without shared state:
// callers render in as many threads as they like.

#include <cstdint>
#include <new>
#include <vector>

#include "augment_blur.h"
#include "augment_colour.h"
#include "augment_resize.h"

// One crop; the layout is that of CROP_RECORD in pipeline/transforms/native.py.
struct Crop {
    int32_t image;                     // index into the images
    int32_t left, top, width, height;  // box of the image, pixels
    int32_t resized_width, resized_height;  // what the box becomes
    int32_t window_left, window_top;   // the crop's corner within that
    int32_t hue_shift;                 // 1/255 of a turn
    float brightness, contrast, saturation;  // factors, 1 = unchanged
    float blur_sigma;                  // pixels of the crop, 0 = none
    uint8_t flip, jitter, grey, solarize;
    uint8_t order[4];                  // which adjustment comes first, ..., last
};

namespace {

struct Scratch {
    augment::ResizeScratch resize;
    std::vector<uint8_t> planes, padded;
};

void cut(const Crop& crop, const uint8_t* image, int height, int width, int size, Scratch& scratch) {
    augment::plan_axis(scratch.resize.columns, width, crop.left, crop.width, crop.resized_width,
                       crop.window_left, size, crop.flip);
    augment::plan_axis(scratch.resize.rows, height, crop.top, crop.height, crop.resized_height,
                       crop.window_top, size, false);
    augment::resize(scratch.resize, image, width, size, scratch.planes.data());
}

void jitter(const Crop& crop, uint8_t* planes, size_t area) {
    for (uint8_t adjustment : crop.order) {
        if (adjustment == 0) augment::adjust_brightness(planes, area, crop.brightness);
        if (adjustment == 1) augment::adjust_contrast(planes, area, crop.contrast);
        if (adjustment == 2) augment::adjust_saturation(planes, area, crop.saturation);
        if (adjustment == 3) augment::adjust_hue(planes, area, crop.hue_shift);
    }
}

void normalise(const uint8_t* planes, size_t area, const float* scale, const float* bias, float* out) {
    for (int channel = 0; channel < 3; channel++)
        for (size_t i = 0; i < area; i++)
            out[channel * area + i] = float(planes[channel * area + i]) * scale[channel] + bias[channel];
}

}  // namespace

// images[k]: (heights[k], widths[k], 3) bytes; out: (num_crops, 3, size, size), channel value v becomes
// v * scale + bias. Returns 0, or 1 if memory ran out.
extern "C" int hssl_render_crops(const uint8_t* const* images, const int32_t* heights, const int32_t* widths,
                                 const Crop* crops, int num_crops, int size, const float* scale,
                                 const float* bias, float* out) {
    try {
        Scratch scratch;
        const size_t area = size_t(size) * size;
        scratch.planes.resize(3 * area);
        uint8_t* planes = scratch.planes.data();
        for (int n = 0; n < num_crops; n++) {
            const Crop& crop = crops[n];
            cut(crop, images[crop.image], heights[crop.image], widths[crop.image], size, scratch);
            if (crop.jitter) jitter(crop, planes, area);
            if (crop.grey) augment::to_grey(planes, area);
            if (crop.blur_sigma > 0) {
                const augment::Box box = augment::box_of_gaussian(crop.blur_sigma);
                for (int c = 0; c < 3; c++) augment::blur_plane(planes + c * area, size, box, scratch.padded);
            }
            if (crop.solarize) augment::solarize(planes, area);
            normalise(planes, area, scale, bias, out + size_t(n) * 3 * area);
        }
    } catch (const std::bad_alloc&) {
        return 1;
    }
    return 0;
}
