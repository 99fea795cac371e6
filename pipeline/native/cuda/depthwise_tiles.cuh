// How depthwise convolution cuts its work: a block has a tile of a picture at 32 channels, a channel for each lane.
#pragma once

#include "device.cuh"

namespace hssl {

constexpr int kTileSide = 14;  // at most
constexpr int kRowsOfWarp = 2;  // neighbouring rows of a tile that a warp has
constexpr int kWarpsOfTile = kTileSide / kRowsOfWarp;

struct DepthwiseShape {
    long batch;
    int height, width, channels, side;
    // Of a tile, but for the last of a row or column; and how many there are.
    int tile_height, tile_width, tiles_down, tiles_across, slabs;

    DepthwiseShape(long batch, long height, long width, long channels, long side)
        : batch(batch), height(height), width(width), channels(channels), side(side) {
        tiles_down = (this->height + kTileSide - 1) / kTileSide;
        tiles_across = (this->width + kTileSide - 1) / kTileSide;
        tile_height = (this->height + tiles_down - 1) / tiles_down;
        tile_width = (this->width + tiles_across - 1) / tiles_across;
        slabs = (this->channels + kWarp - 1) / kWarp;
    }
    long tiles() const { return batch * tiles_down * tiles_across; }
    unsigned warps() const { return blocks_for(tile_height, kRowsOfWarp); }
    // Of the plane that a tile reads: as far as there are rows, and zeros left and right where there are no columns.
    __host__ __device__ int plane_height() const {
        const int reach = tile_height + side - 1;
        return reach < height ? reach : height;
    }
};

// For any side. `turned`: the filter by 180 degrees; bias may be null.
void convolve_plainly(const DepthwiseShape& s, const float* x, const float* weight, bool turned, const float* bias,
                      float* y);
// parts (blocks of images, taps + 1, channels): their sums for the filters, then for the bias.
void filter_gradients_plainly(const DepthwiseShape& s, long images_of_block, const float* x, const float* y_grad,
                              float* parts);

// A tile, and the plane around it.
struct Tile {
    long image;
    int top, left, bottom, right;  // bottom and right: one past the last
    int plane_top, plane_bottom;   // rows that exist
};

__device__ inline Tile tile_of(const DepthwiseShape& s, long number) {
    const int per_image = s.tiles_down * s.tiles_across, in_image = static_cast<int>(number % per_image);
    Tile t;
    t.image = number / per_image;
    t.top = in_image / s.tiles_across * s.tile_height;
    t.left = in_image % s.tiles_across * s.tile_width;
    t.bottom = min(s.height, t.top + s.tile_height);
    t.right = min(s.width, t.left + s.tile_width);
    t.plane_top = max(0, t.top - s.side / 2);
    t.plane_bottom = min(s.height, t.bottom + s.side / 2);
    return t;
}

// plane (rows from plane_top, kPlaneWidth columns from left - side / 2, 32 channels of slab `slab`); zeros where the
// picture has no columns or channels. By all threads of the block; no barrier.
template <int kPlaneWidth>
__device__ void read_plane(const DepthwiseShape& s, const Tile& t, const float* x, int slab, float* plane) {
    constexpr int kFours = kWarp / 4;
    const int places = (t.plane_bottom - t.plane_top) * kPlaneWidth, first = slab * kWarp;
    const bool aligned = s.channels % 4 == 0;
#pragma unroll 4
    for (int i = threadIdx.x; i < places * kFours; i += blockDim.x) {
        const int place = i / kFours, row = t.plane_top + place / kPlaneWidth;
        const int column = t.left - s.side / 2 + place % kPlaneWidth, channel = first + i % kFours * 4;
        const float* from =
            x + ((t.image * s.height + row) * s.width + column) * static_cast<long>(s.channels) + channel;
        float4 v = make_float4(0.f, 0.f, 0.f, 0.f);
        if (column >= 0 && column < s.width && channel < s.channels) {
            if (aligned) {
                v = load4(from);
            } else {
                const int count = s.channels - channel;
                v.x = from[0];
                if (count > 1) v.y = from[1];
                if (count > 2) v.z = from[2];
                if (count > 3) v.w = from[3];
            }
        }
        store4(plane + 4 * i, v);
    }
}

}  // namespace hssl
