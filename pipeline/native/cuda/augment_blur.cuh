// Gaussian blur as three extended box blurs along each axis, as ../augment_blur.h does it.
#pragma once

#include "augment_colour.cuh"

namespace hssl {

constexpr int kBoxPasses = 3;

// 2 * radius + 1 pixels of weight `inner` and one more at each end of weight `outer`, in 1 / 2^24.
struct Box {
    int radius;
    uint32_t inner, outer;
};

__device__ inline Box box_of_gaussian(float sigma) {
    using exact::product, exact::sum;
    const float variance = product(sigma, sigma) / kBoxPasses;
    const float length = static_cast<float>(sqrt(sum(product(12.0, static_cast<double>(variance)), 1.0)));
    const float whole = static_cast<float>(floor(sum(static_cast<double>(length), -1.0) / 2.0));
    const float next = sum(whole, 1.0f);
    const float above = product(sum(product(2.0f, whole), 1.0f), sum(product(whole, next), -product(3.0f, variance)));
    const float extent = sum(whole, above / product(6.0f, sum(variance, -product(next, next))));
    Box box;
    box.radius = static_cast<int>(extent);
    box.inner = static_cast<uint32_t>(16777216.0f / sum(product(extent, 2.0f), 1.0f));
    box.outer = ((1 << 24) - (box.radius * 2 + 1) * box.inner) / 2;
    return box;
}

constexpr int kBlurLanes = 32, kBlurRows = 8;  // of a block

// One pass along lines in shared memory; consecutive samples of a line are `step` bytes apart. The ends count on.
__device__ inline unsigned char box_mean(const unsigned char* line, int at, int size, int step, const Box& box) {
    auto sample = [&](int place) { return static_cast<uint32_t>(line[min(max(place, 0), size - 1) * step]); };
    uint32_t inside = sample(at);
    for (int k = 1; k <= box.radius; k++) inside += sample(at + k) + sample(at - k);
    const uint32_t ends = sample(at + box.radius + 1) + sample(at - box.radius - 1);
    return static_cast<unsigned char>((inside * box.inner + ends * box.outer + (1 << 23)) >> 24);
}

// All three passes along rows (kAlongRows) or columns of `lines` neighbouring rows or columns of one plane, at most
// kBlurRows or kBlurLanes. Grid: (3 crops, ceil(size / lines)); shared memory: 2 lines size bytes. What is blurred
// along columns is finished: bright levels are inverted then where the crop asks for it.
template <bool kAlongRows>
__global__ void blur_lines(const CropOrder* crops, int size, int lines, unsigned char* pixels) {
    const CropOrder& crop = crops[blockIdx.x / 3];
    if (!(crop.blur_sigma > 0)) return;
    const Box box = box_of_gaussian(crop.blur_sigma);
    unsigned char* plane = pixels + static_cast<long>(blockIdx.x) * size * size;
    const int begin = blockIdx.y * lines, here = min(lines, size - begin);
    // Threads of a warp lie along the rows of the plane either way.
    const int first_line = kAlongRows ? threadIdx.y : threadIdx.x, line_stride = kAlongRows ? kBlurRows : kBlurLanes;
    const int first_at = kAlongRows ? threadIdx.x : threadIdx.y, at_stride = kAlongRows ? kBlurLanes : kBlurRows;
    const int step = kAlongRows ? 1 : lines, line_step = kAlongRows ? size : 1;
    auto of_plane = [&](int line, int at) -> unsigned char& {
        return kAlongRows ? plane[static_cast<long>(begin + line) * size + at]
                          : plane[static_cast<long>(at) * size + begin + line];
    };
    unsigned char* from = shared_memory<unsigned char>();
    unsigned char* to = from + static_cast<long>(lines) * size;
    for (int line = first_line; line < here; line += line_stride)
        for (int at = first_at; at < size; at += at_stride)
            from[line * line_step + at * step] = of_plane(line, at);
    __syncthreads();
    for (int pass = 0; pass < kBoxPasses; pass++) {
        const bool last = pass == kBoxPasses - 1;
        for (int line = first_line; line < here; line += line_stride)
            for (int at = first_at; at < size; at += at_stride) {
                const unsigned char mean = box_mean(from + line * line_step, at, size, step, box);
                if (!last)
                    to[line * line_step + at * step] = mean;
                else if (!kAlongRows && crop.solarize)
                    of_plane(line, at) = static_cast<unsigned char>(solarized(mean));
                else
                    of_plane(line, at) = mean;
            }
        __syncthreads();
        unsigned char* other = from;
        from = to;
        to = other;
    }
}

}  // namespace hssl
