// Sums of the channels of 8-bit RGB images and of their squares, exact. Without shared state.

#include <cstdint>

namespace {

constexpr int kLanes = 48;         // 16 pixels: the channel of a lane is its number modulo 3
constexpr int64_t kBlocks = 257;   // times 255 is what 16 bits hold, times 65025 fits 32 bits

void add_blocks(const uint8_t* pixels, int64_t blocks, int64_t* sums) {
    uint16_t values[kLanes] = {};
    uint32_t squares[kLanes] = {};
    for (int64_t block = 0; block < blocks; ++block, pixels += kLanes) {
        for (int lane = 0; lane < kLanes; ++lane) {
            const uint16_t value = pixels[lane];
            values[lane] = static_cast<uint16_t>(values[lane] + value);
            squares[lane] += static_cast<uint16_t>(value * value);
        }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        sums[lane % 3] += values[lane];
        sums[3 + lane % 3] += squares[lane];
    }
}

}  // namespace

// sums: of R, G, B, then of their squares.
extern "C" void hssl_channel_sums(const uint8_t* pixels, int64_t num_pixels, int64_t* sums) {
    for (int i = 0; i < 6; ++i) sums[i] = 0;
    const uint8_t* const end = pixels + 3 * num_pixels;
    int64_t blocks = 3 * num_pixels / kLanes;
    while (blocks > 0) {
        const int64_t now = blocks < kBlocks ? blocks : kBlocks;
        add_blocks(pixels, now, sums);
        pixels += now * kLanes;
        blocks -= now;
    }
    for (int channel = 0; pixels < end; ++pixels, channel = (channel + 1) % 3) {
        sums[channel] += *pixels;
        sums[3 + channel] += *pixels * *pixels;
    }
}
