// From estimates of similarities to the k nearest rows of each query.
#pragma once

#include "neighbour_rows.cuh"

namespace hssl {

using Key = unsigned long long;

// Some queries, and a block of the bank.
struct Scan {
    PackedRows queries, block;
    const Largest* largest;    // of the block
    const bf16* products;      // (queries, padded rows) of factors
    const unsigned* numbers;   // (rows) of the block's rows
    long num_rows, padded_rows, channels, num_before;  // num_before: rows of the bank that were searched before
    double centre_square;
    int k, most;       // most: candidates of a query, a power of two, 2 k or more
    float* bars;       // (queries): what an estimate has to reach
    int* counts;       // (queries): candidates; more than `most`: the list is not whole
    unsigned* columns; // (queries, most): the candidates' rows of the block
    long* summed;      // (queries): rows that were summed exactly so far
    Key* best;         // (queries, k): the nearest so far, the nearest first, 0 behind the last
};

// Adds the block's rows to the best of `count` queries.
void scan_block(const Scan& scan, long count);

// Similarity and number of a row as one number: the larger, the nearer. Only 0 means none.
__host__ __device__ inline Key key_of(float similarity, unsigned number) {
    unsigned bits;
    memcpy(&bits, &similarity, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return static_cast<Key>(bits) << 32 | (0xffffffffu - number);
}

__host__ __device__ inline float similarity_of(Key key) {
    const unsigned high = static_cast<unsigned>(key >> 32), bits = high >> 31 ? high & 0x7fffffffu : ~high;
    float similarity;
    memcpy(&similarity, &bits, sizeof similarity);
    return similarity;
}

}  // namespace hssl
