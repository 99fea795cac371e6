// Colour changes of planar 8-bit RGB, each equal to Pillow's to the bit.
//
// Compiled without contraction to fused multiply-add: Pillow's own rounding is two-step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace augment {

// ITU-R 601 luma in 16-bit fixed point.
inline uint8_t luma(int red, int green, int blue) {
    return uint8_t((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

// From `ground` (factor 0) through `value` (factor 1) and beyond, cut off at black and white.
inline uint8_t blend(int ground, int value, float factor) {
    const float mixed = float(ground) + factor * float(value - ground);
    return uint8_t(int(std::min(std::max(mixed, 0.0f), 255.0f)));
}

inline void adjust_brightness(uint8_t* planes, size_t area, float factor) {
    for (size_t i = 0; i < 3 * area; i++) planes[i] = blend(0, planes[i], factor);
}

inline void adjust_contrast(uint8_t* planes, size_t area, float factor) {
    uint64_t total = 0;
    for (size_t start = 0; start < area; start += 65536) {  // 32-bit sums within a stretch
        uint32_t part = 0;
        const size_t end = std::min(start + 65536, area);
        for (size_t i = start; i < end; i++) part += luma(planes[i], planes[area + i], planes[2 * area + i]);
        total += part;
    }
    const int mean = int(double(total) / double(area) + 0.5);
    for (size_t i = 0; i < 3 * area; i++) planes[i] = blend(mean, planes[i], factor);
}

inline void adjust_saturation(uint8_t* planes, size_t area, float factor) {
    uint8_t *red = planes, *green = planes + area, *blue = planes + 2 * area;
    for (size_t i = 0; i < area; i++) {
        const uint8_t grey = luma(red[i], green[i], blue[i]);
        red[i] = blend(grey, red[i], factor);
        green[i] = blend(grey, green[i], factor);
        blue[i] = blend(grey, blue[i], factor);
    }
}

inline void to_grey(uint8_t* planes, size_t area) {
    uint8_t *red = planes, *green = planes + area, *blue = planes + 2 * area;
    for (size_t i = 0; i < area; i++) red[i] = green[i] = blue[i] = luma(red[i], green[i], blue[i]);
}

inline void solarize(uint8_t* planes, size_t area) {
    for (size_t i = 0; i < 3 * area; i++) planes[i] = planes[i] < 128 ? planes[i] : uint8_t(255 - planes[i]);
}

// A stretch of pixels as numbers, so that the loops below have one element width and vectorise.
constexpr int kStretch = 256;

struct Hsv {
    int hue[kStretch], saturation[kStretch], value[kStretch];
};

inline void rgb_to_hsv(const float* red, const float* green, const float* blue, int count, Hsv& out) {
    for (int i = 0; i < count; i++) {
        const float r = red[i], g = green[i], b = blue[i];
        const float high = std::max(r, std::max(g, b)), low = std::min(r, std::min(g, b));
        const float range = high - low;
        const float divisor = range > 0.0f ? range : 1.0f;
        const float rc = (high - r) / divisor, gc = (high - g) / divisor, bc = (high - b) / divisor;
        const float from_red = bc - gc;
        const float from_green = float(2.0 + double(rc) - double(bc));
        const float from_blue = float(4.0 + double(gc) - double(rc));
        const float sector = r == high ? from_red : (g == high ? from_green : from_blue);
        const double turned = double(sector) / 6.0 + 1.0;
        const float hue = float(turned - std::floor(turned));
        const float saturation = range / (high > 0.0f ? high : 1.0f);
        out.hue[i] = range > 0.0f ? int(double(hue) * 255.0) : 0;
        out.saturation[i] = int(double(saturation) * 255.0);
        out.value[i] = int(high);
    }
}

inline void hsv_to_rgb(const Hsv& in, int count, float* red, float* green, float* blue) {
    for (int i = 0; i < count; i++) {
        const double turned = double(in.hue[i]) * 6.0 / 255.0;
        const double whole = std::floor(turned);
        const double f = double(float(turned - whole));
        const double s = double(float(double(in.saturation[i]) / 255.0));
        const double v = double(in.value[i]);
        const float top = float(v);
        const float p = float(std::floor(v * (1.0 - s) + 0.5));
        const float q = float(std::floor(v * (1.0 - s * f) + 0.5));
        const float t = float(std::floor(v * (1.0 - s * (1.0 - f)) + 0.5));
        const int sector = int(whole) == 6 ? 0 : int(whole);
        red[i] = sector == 0 || sector == 5 ? top : (sector == 1 ? q : (sector == 4 ? t : p));
        green[i] = sector == 1 || sector == 2 ? top : (sector == 0 ? t : (sector == 3 ? q : p));
        blue[i] = sector == 3 || sector == 4 ? top : (sector == 2 ? t : (sector == 5 ? q : p));
    }
}

// `shift` in 1/255 of a turn; hue is a byte that wraps at 256, as Pillow stores it.
inline void adjust_hue(uint8_t* planes, size_t area, int shift) {
    float rgb[3][kStretch];
    Hsv hsv;
    for (size_t start = 0; start < area; start += kStretch) {
        const int count = int(std::min(size_t(kStretch), area - start));
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < count; i++) rgb[c][i] = float(planes[c * area + start + i]);
        rgb_to_hsv(rgb[0], rgb[1], rgb[2], count, hsv);
        for (int i = 0; i < count; i++) hsv.hue[i] = (hsv.hue[i] + shift) & 255;
        hsv_to_rgb(hsv, count, rgb[0], rgb[1], rgb[2]);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < count; i++) planes[c * area + start + i] = uint8_t(int(rgb[c][i]));
    }
}

}  // namespace augment
