// Crops augmented on the device: see augment.h.
//
// Resize along columns; resize along rows with the adjustments before the contrast, which needs the mean of the whole
// crop; the rest of the colours; blur along rows; blur along columns. Every sum is of whole numbers.
#include "augment.h"

#include "augment_blur.cuh"
#include "augment_colour.cuh"
#include "augment_resize.cuh"
#include "scratch.cuh"

namespace {

using namespace hssl;

constexpr int kThreads = 256;
constexpr long kScratchStep = 16l << 20;  // bytes: sizes that differ from batch to batch come out equal
constexpr long kBlurBytes = 48 * 1024;    // of shared memory: what every card has

// Four neighbouring levels of a plane, `valid` of them within it; at once where `whole`.
__device__ void load_levels(const unsigned char* from, bool whole, int valid, int (&levels)[4]) {
    const unsigned four = whole ? *reinterpret_cast<const unsigned*>(from) : 0;
    for (int i = 0; i < 4; i++)
        levels[i] = whole ? static_cast<int>(four >> 8 * i & 255) : i < valid ? from[i] : 0;
}

__device__ void store_levels(unsigned char* to, bool whole, int valid, const int (&levels)[4]) {
    if (whole) {
        unsigned four = 0;
        for (int i = 0; i < 4; i++) four |= static_cast<unsigned>(levels[i]) << 8 * i;
        *reinterpret_cast<unsigned*>(to) = four;
    } else {
        for (int i = 0; i < valid; i++) to[i] = static_cast<unsigned char>(levels[i]);
    }
}

// Grid: (crops, blocks of kThreads times four pixels). luma_sums: (crops, gridDim.y), of the crops that are jittered.
__global__ void __launch_bounds__(kThreads, 4)
    resize_and_adjust(const CropOrder* crops, ResizePlan plan, MiddleRows middle, unsigned char* pixels,
                      float* luma_sums) {
    __shared__ float of_warps[kThreads / kWarp];
    const long n = blockIdx.x;
    const CropOrder& crop = crops[n];
    const int size = plan.size, quads = middle.pitch / 4, area = size * size;
    const int item = blockIdx.y * kThreads + threadIdx.x, y = item / quads, x = (item - y * quads) * 4;
    float luma_sum = 0.0f;
    if (y < size) {
        int value[3][4];
        shrink_rows(crop, n, plan, middle, x, y, value);
        const int valid = min(4, size - x);
        if (crop.jitter) {
            const int contrast = place_of_contrast(crop);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const Pixel pixel = adjusted(crop, {value[0][i], value[1][i], value[2][i]}, 0, contrast, 0);
                value[0][i] = pixel.red, value[1][i] = pixel.green, value[2][i] = pixel.blue;
                if (i < valid) luma_sum += luma(pixel);
            }
        }
        unsigned char* to = pixels + n * 3 * area + static_cast<long>(y) * size + x;
        for (int c = 0; c < 3; c++) store_levels(to + static_cast<long>(c) * area, size % 4 == 0, valid, value[c]);
    }
    if (!crop.jitter) return;
    luma_sum = block_sum(luma_sum, of_warps);  // below 2^24: exact
    if (threadIdx.x == 0) luma_sums[n * gridDim.y + blockIdx.y] = luma_sum;
}

// One warp for each crop: the mean luma, rounded.
__global__ void mean_lumas(const CropOrder* crops, const float* luma_sums, int blocks, int area, int* means) {
    const long n = blockIdx.x;
    if (!crops[n].jitter) return;
    long long total = 0;
    for (int i = threadIdx.x; i < blocks; i += kWarp) total += static_cast<long long>(luma_sums[n * blocks + i]);
    for (int step = kWarp / 2; step > 0; step /= 2) total += __shfl_xor_sync(kAllLanes, total, step);
    if (threadIdx.x == 0)
        means[n] = static_cast<int>(exact::sum(static_cast<double>(total) / static_cast<double>(area), 0.5));
}

// The contrast and what comes after it, grey, and the inversion of the crops that are not blurred.
__global__ void __launch_bounds__(kThreads)
    finish_colours(const CropOrder* crops, const int* means, int area, unsigned char* pixels) {
    const long n = blockIdx.x;
    const CropOrder& crop = crops[n];
    const bool solarize = crop.solarize && !(crop.blur_sigma > 0);
    const int at = (blockIdx.y * kThreads + threadIdx.x) * 4;
    if (!(crop.jitter || crop.grey || solarize) || at >= area) return;
    const bool whole = area % 4 == 0;
    const int valid = min(4, area - at);
    unsigned char* planes = pixels + n * 3 * area + at;
    int value[3][4];
    for (int c = 0; c < 3; c++) load_levels(planes + static_cast<long>(c) * area, whole, valid, value[c]);
    const int contrast = place_of_contrast(crop), mean = crop.jitter ? means[n] : 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        Pixel pixel = {value[0][i], value[1][i], value[2][i]};
        if (crop.jitter) pixel = adjusted(crop, pixel, contrast, 4, mean);
        if (crop.grey) pixel.red = pixel.green = pixel.blue = luma(pixel);
        if (solarize) pixel = {solarized(pixel.red), solarized(pixel.green), solarized(pixel.blue)};
        value[0][i] = pixel.red, value[1][i] = pixel.green, value[2][i] = pixel.blue;
    }
    for (int c = 0; c < 3; c++) store_levels(planes + static_cast<long>(c) * area, whole, valid, value[c]);
}

struct Lines {
    float scale[3], bias[3];
};

// Grid: (3 crops, blocks of kThreads times four levels).
__global__ void normalise(const unsigned char* pixels, long area, Lines lines, float* out) {
    const long at = (static_cast<long>(blockIdx.y) * kThreads + threadIdx.x) * 4, plane = blockIdx.x * area;
    if (at >= area) return;
    const bool whole = area % 4 == 0;
    const int valid = static_cast<int>(min(4l, area - at)), channel = blockIdx.x % 3;
    const float scale = channel == 0 ? lines.scale[0] : channel == 1 ? lines.scale[1] : lines.scale[2];
    const float bias = channel == 0 ? lines.bias[0] : channel == 1 ? lines.bias[1] : lines.bias[2];
    int levels[4];
    load_levels(pixels + plane + at, whole, valid, levels);
    float values[4];
    for (int i = 0; i < 4; i++) values[i] = exact::sum(exact::product(static_cast<float>(levels[i]), scale), bias);
    if (whole)
        store4(out + plane + at, make_float4(values[0], values[1], values[2], values[3]));
    else
        for (int i = 0; i < valid; i++) out[plane + at + i] = values[i];
}

void blur(const CropOrder* orders, long crops, int size, unsigned char* pixels) {
    const dim3 block(kBlurLanes, kBlurRows);
    auto lines_of = [&](int most) {
        while (most > 1 && 2l * most * size > kBlurBytes) most /= 2;
        return most;
    };
    const int rows = lines_of(kBlurRows), columns = lines_of(kBlurLanes);
    const unsigned planes = static_cast<unsigned>(3 * crops);
    launch("blur along rows", blur_lines<true>, dim3(planes, blocks_for(size, rows)), block, 2l * rows * size, orders,
           size, rows, pixels);
    launch("blur along columns", blur_lines<false>, dim3(planes, blocks_for(size, columns)), block,
           2l * columns * size, orders, size, columns, pixels);
}

}  // namespace

extern "C" void hssl_augment(long crops, long size, long taps, long most_rows, long all_rows,
                             long crops_at, const unsigned char* packed, unsigned char* pixels) {
    if (crops == 0) return;
    const auto* images = reinterpret_cast<const ImageEntry*>(packed);
    const auto* orders = reinterpret_cast<const CropOrder*>(packed + crops_at);
    const long pitch = (size + 3) / 4 * 4, area = size * size, lines = 2 * crops;
    const unsigned resize_blocks = blocks_for(size * pitch / 4, kThreads);
    auto rounded = [](long bytes) { return (bytes + kScratchStep - 1) / kScratchStep * kScratchStep; };

    Scratch scratch;
    MiddleRows middle{scratch.take<unsigned char>(rounded(all_rows * 3 * pitch)), static_cast<int>(pitch)};
    int* numbers = scratch.take<int>(rounded(lines * size * (taps + 2) * 4) / 4);
    const ResizePlan plan{static_cast<int>(size), static_cast<int>(taps), numbers, numbers + lines * size,
                          numbers + 2 * lines * size};
    float* luma_sums = scratch.take<float>(crops * resize_blocks);
    int* means = scratch.take<int>(crops);

    const unsigned along = static_cast<unsigned>(crops);
    launch("resize plan", plan_resize, blocks_for(lines * size, kThreads), kThreads, 0, images, orders, lines, plan);
    const unsigned column_blocks = blocks_for((most_rows + kRowsAtOnce - 1) / kRowsAtOnce * size, kThreads);
    launch("resize along columns", shrink_columns, dim3(along, column_blocks), kThreads, 0, packed, images, orders,
           plan, middle);
    launch("resize along rows", resize_and_adjust, dim3(along, resize_blocks), kThreads, 0, orders, plan, middle,
           pixels, luma_sums);
    launch("mean luma", mean_lumas, along, kWarp, 0, orders, luma_sums, static_cast<int>(resize_blocks),
           static_cast<int>(area), means);
    launch("colours", finish_colours, dim3(along, blocks_for(area, 4 * kThreads)), kThreads, 0, orders, means,
           static_cast<int>(area), pixels);
    blur(orders, crops, static_cast<int>(size), pixels);
}

extern "C" void hssl_normalise_pixels(long crops, long area, double red_scale, double green_scale, double blue_scale,
                                      double red_bias, double green_bias, double blue_bias,
                                      const unsigned char* pixels, float* out) {
    if (crops == 0) return;
    auto narrow = [](double value) { return static_cast<float>(value); };
    const Lines lines{{narrow(red_scale), narrow(green_scale), narrow(blue_scale)},
                      {narrow(red_bias), narrow(green_bias), narrow(blue_bias)}};
    const dim3 grid(static_cast<unsigned>(3 * crops), blocks_for(area, 4 * kThreads));
    launch("normalise", normalise, grid, kThreads, 0, pixels, area, lines, out);
}
