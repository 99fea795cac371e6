// Gaussian blur as three extended box blurs along each axis, equal to Pillow's to the bit.
//
// The boxes and not a true Gaussian: recipes of this line of work are tuned with Pillow's filter.
// Source: Gwosdek et al., "Theoretical Foundations of Gaussian Convolution by Extended Box Filtering", 2011.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace augment {

constexpr int kBoxPasses = 3;

// 2 * radius + 1 pixels of weight `inner` and one more at each end of weight `outer`, in 1 / 2^24.
struct Box {
    int radius;
    uint32_t inner, outer;
};

inline Box box_of_gaussian(float sigma) {
    const float variance = sigma * sigma / kBoxPasses;
    const float length = float(std::sqrt(12.0 * variance + 1.0));
    const float whole = float(std::floor((length - 1.0) / 2.0));
    const float above = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    const float extent = whole + above / (6 * (variance - (whole + 1) * (whole + 1)));
    Box box;
    box.radius = int(extent);
    box.inner = uint32_t(float(1 << 24) / (extent * 2 + 1));
    box.outer = ((1 << 24) - (box.radius * 2 + 1) * box.inner) / 2;
    return box;
}

// out[i] = box around in[i], where consecutive samples are `step` bytes apart and `in` has samples on both sides.
inline void blur_stretch(const uint8_t* in, uint8_t* out, size_t count, ptrdiff_t step, Box box) {
    const ptrdiff_t far = (box.radius + 1) * step;
    for (size_t i = 0; i < count; i++) {
        uint32_t sum = in[i];
        for (int k = 1; k <= box.radius; k++) sum += in[i + k * step] + in[i - k * step];
        const uint32_t ends = uint32_t(in[i + far]) + in[ptrdiff_t(i) - far];
        out[i] = uint8_t((sum * box.inner + ends * box.outer + (1 << 23)) >> 24);
    }
}

// The same for the usual radii, with the inner loop unrolled by the compiler.
inline void blur_samples(const uint8_t* in, uint8_t* out, size_t count, ptrdiff_t step, Box box) {
    if (box.radius == 0) {
        blur_stretch(in, out, count, step, Box{0, box.inner, box.outer});
    } else if (box.radius == 1) {
        blur_stretch(in, out, count, step, Box{1, box.inner, box.outer});
    } else {
        blur_stretch(in, out, count, step, box);
    }
}

// One plane of size x size; `padded` is scratch.
inline void blur_plane(uint8_t* plane, int size, Box box, std::vector<uint8_t>& padded) {
    const int margin = box.radius + 1;
    padded.resize(size_t(size) * (size + 2 * margin));
    for (int y = 0; y < size; y++) {
        uint8_t* row = plane + size_t(y) * size;
        uint8_t* middle = padded.data() + margin;
        for (int pass = 0; pass < kBoxPasses; pass++) {
            std::memset(padded.data(), row[0], margin);
            std::memcpy(middle, row, size);
            std::memset(middle + size, row[size - 1], margin);
            blur_samples(middle, row, size, 1, box);
        }
    }
    uint8_t* middle = padded.data() + size_t(margin) * size;
    const uint8_t* last_row = plane + size_t(size - 1) * size;
    for (int pass = 0; pass < kBoxPasses; pass++) {
        for (int k = 0; k < margin; k++) {
            std::memcpy(padded.data() + size_t(k) * size, plane, size);
            std::memcpy(middle + size_t(size + k) * size, last_row, size);
        }
        std::memcpy(middle, plane, size_t(size) * size);
        blur_samples(middle, plane, size_t(size) * size, size, box);
    }
}

}  // namespace augment
