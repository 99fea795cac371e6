// Images into the rows of pixels that a patch embedding multiplies, and back.
#include "kernels.h"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;

constexpr int kThreads = 256;

struct PatchShape {
    long images, channels, rows, columns;  // rows and columns of patches
    int side;                              // of a patch, pixels
};

// A thread has one V of a patch's row of pixels. Patches lie (images, rows, columns, channels, side, side).
template <class V, bool back>
__global__ void __launch_bounds__(kThreads)
    cut_patches(PatchShape shape, const float* __restrict__ from, float* __restrict__ to) {
    const long wide = shape.side / kNumbers<V>, width = shape.columns * shape.side;
    const long index = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= shape.images * shape.channels * shape.rows * shape.side * shape.columns * wide) return;
    long rest = index;
    const long x = rest % wide, y = (rest /= wide) % shape.side, channel = (rest /= shape.side) % shape.channels;
    const long column = (rest /= shape.channels) % shape.columns, row = (rest /= shape.columns) % shape.rows;
    const long plane = rest / shape.rows * shape.channels + channel;
    const long pixel = ((plane * shape.rows + row) * shape.side + y) * width + column * shape.side + x * kNumbers<V>;
    const long place = index * kNumbers<V>;
    hssl::write(to + (back ? pixel : place), hssl::read<V>(from + (back ? place : pixel)));
}

template <bool back>
void launch(long images, long channels, long rows, long columns, long side, const float* from, float* to) {
    const PatchShape shape{images, channels, rows, columns, static_cast<int>(side)};
    const bool four = side % 4 == 0;
    const long threads = images * channels * rows * columns * side * side / (four ? 4 : 1);
    hssl::launch("cut_patches", four ? cut_patches<float4, back> : cut_patches<float, back>,
                 dim3(hssl::blocks_for(threads, kThreads)), dim3(kThreads), 0, shape, from, to);
}

}  // namespace

void hssl_device_image_patches(long images, long channels, long rows, long columns, long side, const float* pixels,
                               float* patches) {
    launch<false>(images, channels, rows, columns, side, pixels, patches);
}

void hssl_device_image_patches_gradient(long images, long channels, long rows, long columns, long side,
                                        const float* patches_grad, float* pixels_grad) {
    launch<true>(images, channels, rows, columns, side, patches_grad, pixels_grad);
}
