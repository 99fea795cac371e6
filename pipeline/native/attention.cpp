// Multi-head attention. Each head of each image is one task; the weights exist for a block of queries at a
// time, and are computed again for the gradient.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"
#include "tiles.h"
#include "vector_math.h"

namespace {

using hssl::Left;
using hssl::multiply;
using hssl::padded;

// Queries whose weights are in memory at once: with 1000 tokens, 200 kB.
constexpr long kQueries = 48;

// A thread's memory, kept between calls.
float* scratch(size_t length) {
    static thread_local std::vector<float> memory;
    if (memory.size() < length) memory.resize(length);
    return memory.data();
}

// Gives out parts of a thread's memory.
struct Arena {
    float* next;
    float* take(long length) {
        float* start = next;
        next += (length + 15) / 16 * 16;
        return start;
    }
};

// to (rows, width padded with zeros) = scale from
void pack(long rows, long width, const float* from, long stride, float scale, float* to) {
    const long to_stride = padded(width);
    for (long i = 0; i < rows; i++) {
        for (long j = 0; j < width; j++) to[i * to_stride + j] = from[i * stride + j] * scale;
        for (long j = width; j < to_stride; j++) to[i * to_stride + j] = 0.f;
    }
}

// to (width, rows padded with zeros) = from^T
void pack_transposed(long rows, long width, const float* from, long stride, float* to) {
    const long to_stride = padded(rows);
    for (long j = 0; j < width; j++) {
        for (long i = 0; i < rows; i++) to[j * to_stride + i] = from[i * stride + j];
        for (long i = rows; i < to_stride; i++) to[j * to_stride + i] = 0.f;
    }
}

void unpack(long rows, long width, const float* from, float scale, float* to, long stride) {
    const long from_stride = padded(width);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < width; j++) to[i * stride + j] = from[i * from_stride + j] * scale;
}

// Scores become exp(score - largest); returns their sum, and the largest through `top`.
float exponentials(float* row, long length, float& top) {
    float most = row[0], sum = 0.f;
#pragma omp simd reduction(max : most)
    for (long j = 0; j < length; j++) most = row[j] > most ? row[j] : most;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < length; j++) {
        row[j] = hssl::vector_exp(row[j] - most);
        sum += row[j];
    }
    top = most;
    return sum;
}

struct Sizes {
    long tokens, depth, row, out_row;  // row, out_row: floats from a token to the next in qkv and in out
    long token_stride, depth_stride;   // padded
    float scale;
};

void forward_head(const Sizes& s, const float* query, float* out, float* log_sums) {
    const float *key = query + s.out_row, *value = key + s.out_row;
    Arena arena{scratch(s.depth * s.token_stride + 2 * s.tokens * s.depth_stride +
                        kQueries * (s.token_stride + s.depth_stride) + 128)};
    float *queries = arena.take(s.tokens * s.depth_stride), *values = arena.take(s.tokens * s.depth_stride),
          *keys = arena.take(s.depth * s.token_stride), *scores = arena.take(kQueries * s.token_stride),
          *mixed = arena.take(kQueries * s.depth_stride);
    pack(s.tokens, s.depth, query, s.row, s.scale, queries);
    pack(s.tokens, s.depth, value, s.row, 1.f, values);
    pack_transposed(s.tokens, s.depth, key, s.row, keys);
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long rows = std::min(kQueries, s.tokens - start);
        multiply(rows, s.token_stride, s.depth, Left{queries + start * s.depth_stride, s.depth_stride, 1}, keys,
                 s.token_stride, scores, s.token_stride, false);
        float sums[kQueries];
        for (long i = 0; i < rows; i++) {
            float top;
            sums[i] = exponentials(scores + i * s.token_stride, s.tokens, top);
            log_sums[start + i] = top + std::log(sums[i]);
        }
        multiply(rows, s.depth_stride, s.tokens, Left{scores, s.token_stride, 1}, values, s.depth_stride, mixed,
                 s.depth_stride, false);
        for (long i = 0; i < rows; i++)
            unpack(1, s.depth, mixed + i * s.depth_stride, 1.f / sums[i], out + (start + i) * s.out_row, s.out_row);
    }
}

// One block of queries: weights, then slopes of the scores in their place.
void score_slopes(const Sizes& s, long rows, const float* log_sums, const float* out, const float* out_grad,
                  float* scores, float* slopes) {
    for (long i = 0; i < rows; i++) {
        float *weight = scores + i * s.token_stride, *slope = slopes + i * s.token_stride, mean = 0.f;
        const float log_sum = log_sums[i];
#pragma omp simd reduction(+ : mean)
        for (long j = 0; j < s.depth; j++) mean += out[i * s.out_row + j] * out_grad[i * s.out_row + j];
#pragma omp simd
        for (long j = 0; j < s.tokens; j++) {
            weight[j] = hssl::vector_exp(weight[j] - log_sum);
            slope[j] = weight[j] * (slope[j] - mean);
        }
    }
}

void backward_head(const Sizes& s, const float* query, const float* out, const float* log_sums,
                   const float* out_grad, float* query_grad) {
    const float *key = query + s.out_row, *value = key + s.out_row;
    const long matrix = s.tokens * s.depth_stride, transposed = s.depth * s.token_stride;
    Arena arena{scratch(5 * matrix + 2 * transposed + kQueries * (2 * s.token_stride + s.depth_stride) + 256)};
    float *queries = arena.take(matrix), *keys = arena.take(matrix), *slopes_out = arena.take(matrix),
          *key_grads = arena.take(matrix), *value_grads = arena.take(matrix), *keys_t = arena.take(transposed),
          *values_t = arena.take(transposed), *scores = arena.take(kQueries * s.token_stride),
          *slopes = arena.take(kQueries * s.token_stride), *query_grads = arena.take(kQueries * s.depth_stride);
    pack(s.tokens, s.depth, query, s.row, s.scale, queries);
    pack(s.tokens, s.depth, key, s.row, 1.f, keys);
    pack(s.tokens, s.depth, out_grad, s.out_row, 1.f, slopes_out);
    pack_transposed(s.tokens, s.depth, key, s.row, keys_t);
    pack_transposed(s.tokens, s.depth, value, s.row, values_t);
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long rows = std::min(kQueries, s.tokens - start), at = start * s.depth_stride;
        multiply(rows, s.token_stride, s.depth, Left{queries + at, s.depth_stride, 1}, keys_t, s.token_stride, scores,
                 s.token_stride, false);
        multiply(rows, s.token_stride, s.depth, Left{slopes_out + at, s.depth_stride, 1}, values_t, s.token_stride,
                 slopes, s.token_stride, false);
        score_slopes(s, rows, log_sums + start, out + start * s.out_row, out_grad + start * s.out_row, scores,
                     slopes);
        multiply(rows, s.depth_stride, s.tokens, Left{slopes, s.token_stride, 1}, keys, s.depth_stride, query_grads,
                 s.depth_stride, false);
        unpack(rows, s.depth, query_grads, s.scale, query_grad + start * s.row, s.row);
        multiply(s.tokens, s.depth_stride, rows, Left{slopes, 1, s.token_stride}, queries + at, s.depth_stride,
                 key_grads, s.depth_stride, start > 0);
        multiply(s.tokens, s.depth_stride, rows, Left{scores, 1, s.token_stride}, slopes_out + at, s.depth_stride,
                 value_grads, s.depth_stride, start > 0);
    }
    unpack(s.tokens, s.depth, key_grads, 1.f, query_grad + s.out_row, s.row);
    unpack(s.tokens, s.depth, value_grads, 1.f, query_grad + 2 * s.out_row, s.row);
}

Sizes sizes_of(long tokens, long heads, long depth) {
    return {tokens,         depth,         3 * heads * depth, heads * depth,
            padded(tokens), padded(depth), 1.f / std::sqrt(static_cast<float>(depth))};
}

}  // namespace

void hssl_attention(long batch, long tokens, long heads, long depth, const float* qkv, float* out, float* log_sums) {
    const Sizes s = sizes_of(tokens, heads, depth);
#pragma omp parallel for schedule(static)
    for (long task = 0; task < batch * heads; task++) {
        const long image = task / heads, channel = task % heads * depth;
        forward_head(s, qkv + image * tokens * s.row + channel, out + image * tokens * s.out_row + channel,
                     log_sums + task * tokens);
    }
}

void hssl_attention_gradient(long batch, long tokens, long heads, long depth, const float* qkv, const float* out,
                             const float* log_sums, const float* out_grad, float* qkv_grad) {
    const Sizes s = sizes_of(tokens, heads, depth);
#pragma omp parallel for schedule(static)
    for (long task = 0; task < batch * heads; task++) {
        const long image = task / heads, channel = task % heads * depth;
        const long at = image * tokens * s.row + channel, out_at = image * tokens * s.out_row + channel;
        backward_head(s, qkv + at, out + out_at, log_sums + task * tokens, out_grad + out_at, qkv_grad + at);
    }
}
