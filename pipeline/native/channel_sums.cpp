// Sums of the channels of 8-bit RGB images and of their squares, exact. Without shared state.

#include <cstdint>

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__) && defined(__AVX512BW__)
#include <immintrin.h>
#define HSSL_DOT_PRODUCTS 1
#endif

namespace {

constexpr int kLanes = 48;         // 16 pixels: the channel of a lane is its number modulo 3

#ifdef HSSL_DOT_PRODUCTS

// Four products of bytes, at most 4 * 255 * 127 in size, are added to 32 bits at a time.
constexpr int64_t kBlocks = 8192;

// Sixteen R, sixteen G, sixteen B of a block, and nothing: four lanes of 32 bits for each channel.
__m512i by_channel() {
    alignas(64) uint8_t place[64] = {};
    for (int lane = 0; lane < kLanes; ++lane) place[lane % 3 * 16 + lane / 3] = static_cast<uint8_t>(lane);
    return _mm512_load_si512(place);
}

void add_blocks(const uint8_t* pixels, int64_t blocks, int64_t* sums) {
    const __m512i order = by_channel(), middle = _mm512_set1_epi8(-128), one = _mm512_set1_epi8(1);
    const __mmask64 block_of = (uint64_t{1} << kLanes) - 1;
    __m512i values = _mm512_setzero_si512(), products = _mm512_setzero_si512();
    for (int64_t block = 0; block < blocks; ++block, pixels += kLanes) {
        const __m512i loaded = _mm512_maskz_loadu_epi8(block_of, pixels);
        const __m512i found = _mm512_maskz_permutexvar_epi8(block_of, order, loaded);
        values = _mm512_dpbusd_epi32(values, found, one);
        // One factor has a sign: x (x - 128), and x^2 is 128 x more.
        products = _mm512_dpbusd_epi32(products, found, _mm512_xor_si512(found, middle));
    }
    alignas(64) int32_t of_values[16], of_products[16];
    _mm512_store_si512(of_values, values);
    _mm512_store_si512(of_products, products);
    for (int lane = 0; lane < 12; ++lane) {
        sums[lane / 4] += of_values[lane];
        sums[3 + lane / 4] += of_products[lane] + int64_t{128} * of_values[lane];
    }
}

#else

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

#endif

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
