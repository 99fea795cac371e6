// Colour changes of one pixel, each as in ../augment_colour.h.
#pragma once

#include "augment_exact.cuh"
#include "augment_records.cuh"

namespace hssl {

enum Adjustment { kBrightness, kContrast, kSaturation, kHue };

struct Pixel {
    int red, green, blue;
};

// ITU-R 601 luma in 16-bit fixed point.
__device__ inline int luma(const Pixel& pixel) {
    return (pixel.red * 19595 + pixel.green * 38470 + pixel.blue * 7471 + 0x8000) >> 16;
}

// From `ground` (factor 0) through `value` (factor 1) and beyond, cut off at black and white.
__device__ inline int blend(int ground, int value, float factor) {
    const float way = exact::product(factor, static_cast<float>(value - ground));
    const float mixed = exact::sum(static_cast<float>(ground), way);
    return static_cast<int>(fminf(fmaxf(mixed, 0.0f), 255.0f));
}

__device__ inline Pixel blended(int ground, const Pixel& pixel, float factor) {
    return {blend(ground, pixel.red, factor), blend(ground, pixel.green, factor), blend(ground, pixel.blue, factor)};
}

struct Hsv {
    int hue, saturation, value;
};

__device__ inline Hsv to_hsv(const Pixel& pixel) {
    using exact::product, exact::sum;
    const float r = pixel.red, g = pixel.green, b = pixel.blue;
    const float high = fmaxf(r, fmaxf(g, b)), low = fminf(r, fminf(g, b));
    const float range = high - low;
    const float divisor = range > 0.0f ? range : 1.0f;
    const float rc = (high - r) / divisor, gc = (high - g) / divisor, bc = (high - b) / divisor;
    float sector;
    if (r == high)
        sector = sum(bc, -gc);
    else if (g == high)
        sector = static_cast<float>(sum(sum(2.0, static_cast<double>(rc)), -static_cast<double>(bc)));
    else
        sector = static_cast<float>(sum(sum(4.0, static_cast<double>(gc)), -static_cast<double>(rc)));
    const double turned = sum(static_cast<double>(sector) / 6.0, 1.0);
    const float hue = static_cast<float>(sum(turned, -floor(turned)));
    const float saturation = range / (high > 0.0f ? high : 1.0f);
    return {range > 0.0f ? static_cast<int>(product(static_cast<double>(hue), 255.0)) : 0,
            static_cast<int>(product(static_cast<double>(saturation), 255.0)), static_cast<int>(high)};
}

__device__ inline Pixel to_rgb(const Hsv& colour) {
    using exact::product, exact::sum;
    const double turned = product(static_cast<double>(colour.hue), 6.0) / 255.0;
    const double whole = floor(turned);
    const double f = static_cast<float>(sum(turned, -whole));
    const double s = static_cast<float>(static_cast<double>(colour.saturation) / 255.0);
    const double v = colour.value;
    auto faded = [&](double share) { return static_cast<int>(floor(sum(product(v, sum(1.0, -share)), 0.5))); };
    const int top = colour.value, p = faded(s), q = faded(product(s, f)), t = faded(product(s, sum(1.0, -f)));
    switch (static_cast<int>(whole)) {
        case 1: return {q, top, p};
        case 2: return {p, top, t};
        case 3: return {p, q, top};
        case 4: return {t, p, top};
        case 5: return {top, p, q};
        default: return {top, t, p};  // 0, and 6 where hue is 255
    }
}

// Hue is a byte that wraps at 256, as Pillow stores it.
__device__ inline Pixel turned(const Pixel& pixel, int hue_shift) {
    Hsv colour = to_hsv(pixel);
    colour.hue = (colour.hue + hue_shift) & 255;
    return to_rgb(colour);
}

// Which of the four adjustments the contrast is; 4 if none.
__device__ inline int place_of_contrast(const CropOrder& crop) {
    int place = 0;
    while (place < 4 && crop.order[place] != kContrast) place++;
    return place;
}

// Adjustments begin .. end - 1 of a crop. `mean`: of the luma before the contrast.
__device__ inline Pixel adjusted(const CropOrder& crop, Pixel pixel, int begin, int end, int mean) {
    for (int place = begin; place < end; place++) {
        const int adjustment = crop.order[place];
        if (adjustment == kBrightness) pixel = blended(0, pixel, crop.brightness);
        if (adjustment == kContrast) pixel = blended(mean, pixel, crop.contrast);
        if (adjustment == kSaturation) pixel = blended(luma(pixel), pixel, crop.saturation);
        if (adjustment == kHue) pixel = turned(pixel, crop.hue_shift);
    }
    return pixel;
}

__device__ inline int solarized(int level) { return level < 128 ? level : 255 - level; }

}  // namespace hssl
