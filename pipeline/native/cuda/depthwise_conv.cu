// Depthwise convolution, channels last. A lane has a channel: for filters of side 3, 5 and 7 a warp computes two rows
// of a tile at once, from a plane in shared memory whose rows it reads once; other sides take a plain walk.
#include "columns.cuh"
#include "depthwise_tiles.cuh"
#include "kernels.h"

namespace {

using hssl::DepthwiseShape;
using hssl::kRowsOfWarp;
using hssl::kWarp;
using hssl::Tile;

constexpr long kPlainBlocks = 32;    // of the filters' gradient, where the side is another
constexpr long kBlocksWanted = 528;  // of the filters' gradient: four for each of 132 multiprocessors

// `turned`: the filter by 180 degrees, for the gradient of x. bias may be null. kRun: columns of a tile, at most.
template <int kSide, int kRun>
__global__ void __launch_bounds__(hssl::kWarpsOfTile* kWarp)
    convolve(DepthwiseShape s, const float* x, const float* weight, bool turned, const float* bias, float* y) {
    constexpr int kPlaneWidth = kRun + kSide - 1, kTaps = kSide * kSide;
    float* filters = hssl::shared_memory<float>();  // (taps, 32)
    float* plane = filters + kTaps * kWarp;
    const int slab = blockIdx.x % s.slabs, lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    const Tile t = hssl::tile_of(s, blockIdx.x / s.slabs);
    const int channel = slab * kWarp + lane;
    const bool exists = channel < s.channels;
    for (int tap = warp; tap < kTaps; tap += blockDim.x / kWarp)
        filters[tap * kWarp + lane] =
            exists ? weight[static_cast<long>(turned ? kTaps - 1 - tap : tap) * s.channels + channel] : 0.f;
    hssl::read_plane<kPlaneWidth>(s, t, x, slab, plane);
    __syncthreads();
    const int first = t.top + warp * kRowsOfWarp;
    if (!exists || first >= t.bottom) return;
    float sums[kRowsOfWarp][kRun];
    const float start = bias ? bias[channel] : 0.f;
#pragma unroll
    for (int m = 0; m < kRowsOfWarp; m++)
#pragma unroll
        for (int k = 0; k < kRun; k++) sums[m][k] = start;
#pragma unroll
    for (int r = 0; r < kSide + kRowsOfWarp - 1; r++) {
        const int row = first - kSide / 2 + r;
        if (row < t.plane_top || row >= t.plane_bottom) continue;
        const float* from = plane + (row - t.plane_top) * kPlaneWidth * kWarp + lane;
        float seen[kPlaneWidth];
#pragma unroll
        for (int k = 0; k < kPlaneWidth; k++) seen[k] = from[k * kWarp];
#pragma unroll
        for (int m = 0; m < kRowsOfWarp; m++) {
            if (r - m < 0 || r - m >= kSide) continue;
#pragma unroll
            for (int j = 0; j < kSide; j++) {
                const float filter = filters[((r - m) * kSide + j) * kWarp + lane];
#pragma unroll
                for (int k = 0; k < kRun; k++) sums[m][k] += filter * seen[k + j];
            }
        }
    }
#pragma unroll
    for (int m = 0; m < kRowsOfWarp; m++)
#pragma unroll
        for (int k = 0; k < kRun; k++) {
            const int row = first + m, column = t.left + k;
            if (row < t.bottom && column < t.right)
                y[((t.image * s.height + row) * s.width + column) * static_cast<long>(s.channels) + channel] =
                    sums[m][k];
        }
}

// parts (blocks of tiles, taps + 1, channels): a block's sums for the filters, then for the bias.
template <int kSide, int kRun>
__global__ void __launch_bounds__(hssl::kWarpsOfTile* kWarp)
    filter_gradients(DepthwiseShape s, long tiles, long tiles_of_block, const float* x, const float* y_grad,
                     float* parts) {
    constexpr int kPlaneWidth = kRun + kSide - 1, kTaps = kSide * kSide;
    float* plane = hssl::shared_memory<float>();
    const int slab = blockIdx.x % s.slabs, lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    const long block = blockIdx.x / s.slabs, end = min(tiles, (block + 1) * tiles_of_block);
    const int channel = slab * kWarp + lane;
    const bool exists = channel < s.channels;
    float sums[kSide][kSide] = {}, total = 0.f;
    for (long number = block * tiles_of_block; number < end; number++) {
        const Tile t = hssl::tile_of(s, number);
        const int first = t.top + warp * kRowsOfWarp;
        float slopes[kRowsOfWarp][kRun];
#pragma unroll
        for (int m = 0; m < kRowsOfWarp; m++)
#pragma unroll
            for (int k = 0; k < kRun; k++) {
                const int row = first + m, column = t.left + k;
                const bool inside = exists && row < t.bottom && column < t.right;
                const long place = (t.image * s.height + row) * s.width + column;
                slopes[m][k] = inside ? y_grad[place * s.channels + channel] : 0.f;
                total += slopes[m][k];
            }
        __syncthreads();
        hssl::read_plane<kPlaneWidth>(s, t, x, slab, plane);
        __syncthreads();
#pragma unroll
        for (int r = 0; r < kSide + kRowsOfWarp - 1; r++) {
            const int row = first - kSide / 2 + r;
            if (row < t.plane_top || row >= t.plane_bottom) continue;
            const float* from = plane + (row - t.plane_top) * kPlaneWidth * kWarp + lane;
#pragma unroll
            for (int k = 0; k < kPlaneWidth; k++) {
                const float seen = from[k * kWarp];
#pragma unroll
                for (int m = 0; m < kRowsOfWarp; m++) {
                    if (r - m < 0 || r - m >= kSide) continue;
#pragma unroll
                    for (int j = 0; j < kSide; j++)
                        if (k - j >= 0 && k - j < kRun) sums[r - m][j] += seen * slopes[m][k - j];
                }
            }
        }
    }
    // The warps' sums, in order: shared memory, (warps, taps + 1, 32).
    __syncthreads();
    float* own = plane + warp * (kTaps + 1) * kWarp + lane;
#pragma unroll
    for (int i = 0; i < kSide; i++)
#pragma unroll
        for (int j = 0; j < kSide; j++) own[(i * kSide + j) * kWarp] = sums[i][j];
    own[kTaps * kWarp] = total;
    __syncthreads();
    const int warps = blockDim.x / kWarp;
    if (exists)
        for (int tap = warp; tap <= kTaps; tap += warps) {
            float sum = 0.f;
            for (int i = 0; i < warps; i++) sum += plane[(i * (kTaps + 1) + tap) * kWarp + lane];
            parts[(block * (kTaps + 1) + tap) * s.channels + channel] = sum;
        }
}

// use(side, run) with constants; false where there are none for the side.
template <class Use>
bool with_constants(const DepthwiseShape& s, Use use) {
    const auto with_run = [&](auto side) {
        if (s.tile_width <= 8)
            use(side, std::integral_constant<int, 8>());
        else
            use(side, std::integral_constant<int, hssl::kTileSide>());
        return true;
    };
    switch (s.side) {
        case 3: return with_run(std::integral_constant<int, 3>());
        case 5: return with_run(std::integral_constant<int, 5>());
        case 7: return with_run(std::integral_constant<int, 7>());
        default: return false;
    }
}

size_t plane_bytes(const DepthwiseShape& s, int run) {
    return sizeof(float) * kWarp * static_cast<size_t>(s.plane_height()) * (run + s.side - 1);
}

void convolution(const DepthwiseShape& s, const float* x, const float* weight, bool turned, const float* bias,
                 float* y) {
    const bool done = with_constants(s, [&](auto side, auto run) {
        constexpr int kSide = decltype(side)::value, kRun = decltype(run)::value;
        hssl::launch("convolve", convolve<kSide, kRun>, dim3(static_cast<unsigned>(s.tiles() * s.slabs)),
                     dim3(s.warps() * kWarp), plane_bytes(s, kRun) + sizeof(float) * kWarp * kSide * kSide, s, x,
                     weight, turned, bias, y);
    });
    if (!done) hssl::convolve_plainly(s, x, weight, turned, bias, y);
}

}  // namespace

void hssl_device_depthwise_conv(long batch, long height, long width, long channels, long side, const float* x,
                                const float* weight, const float* bias, float* y) {
    convolution(DepthwiseShape(batch, height, width, channels, side), x, weight, false, bias, y);
}

void hssl_device_depthwise_conv_gradient(long batch, long height, long width, long channels, long side,
                                         const float* x, const float* weight, const float* y_grad, float* x_grad,
                                         float* weight_grad, float* bias_grad) {
    const DepthwiseShape s(batch, height, width, channels, side);
    convolution(s, y_grad, weight, true, nullptr, x_grad);

    hssl::Scratch scratch;
    const long columns = (side * side + 1) * channels;
    float* parts = nullptr;
    long blocks = 0;
    const auto cut = [&](long pieces, long wanted) {
        const long of_block = (pieces + wanted - 1) / wanted;
        blocks = (pieces + of_block - 1) / of_block;
        parts = scratch.take<float>(blocks * columns);
        return of_block;
    };
    const bool done = with_constants(s, [&](auto side_constant, auto run) {
        constexpr int kSide = decltype(side_constant)::value, kRun = decltype(run)::value;
        const long tiles = s.tiles(), tiles_of_block = cut(tiles, std::max(1L, kBlocksWanted / s.slabs));
        const size_t sums = sizeof(float) * kWarp * s.warps() * (kSide * kSide + 1);
        hssl::launch("filter_gradients", filter_gradients<kSide, kRun>, dim3(static_cast<unsigned>(blocks * s.slabs)),
                     dim3(s.warps() * kWarp), std::max(plane_bytes(s, kRun), sums), s, tiles, tiles_of_block, x,
                     y_grad, parts);
    });
    if (!done) {
        const long images_of_block = cut(batch, kPlainBlocks);
        hssl::filter_gradients_plainly(s, images_of_block, x, y_grad, parts);
    }
    hssl::sum_parts(blocks, columns, parts, weight_grad, side * side * channels, bias_grad);
}
