// Multi-head attention. Each head of each image is one task; the weights exist for a block of queries at a
// time, and are computed again for the gradient.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"
#include "tiles.h"
#include "transposition.h"
#include "vector_math.h"

namespace {

using hssl::kLanes;
using hssl::Left;
using hssl::multiply;
using hssl::padded;

// Queries whose weights are in memory at once: with 1000 tokens, 200 kB. A multiple of what a vector holds.
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

// to (rows, width padded with zeros) = from
void pack(long rows, long width, const float* from, long stride, float* to) {
    const long to_stride = padded(width), whole = width / kLanes * kLanes;
    for (long i = 0; i < rows; i++) {
        for (long j = 0; j < whole; j += kLanes) hssl::store(to + i * to_stride + j, hssl::load(from + i * stride + j));
        for (long j = whole; j < to_stride; j++) to[i * to_stride + j] = j < width ? from[i * stride + j] : 0.f;
    }
}

// to (width, rows padded with zeros) = from^T
void pack_transposed(long rows, long width, const float* from, long stride, float* to) {
    const long to_stride = padded(rows);
    hssl::transpose(rows, width, from, stride, to, to_stride);
    for (long j = 0; j < width; j++) std::fill(to + j * to_stride + rows, to + (j + 1) * to_stride, 0.f);
}

void unpack(long rows, long width, const float* from, float scale, float* to, long stride) {
    const long from_stride = padded(width);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < width; j++) to[i * stride + j] = from[i * from_stride + j] * scale;
}

// Scores are (keys, queries): so softmax goes along the columns, and a vector holds as many queries.

// Scores become exp(scale (score - the column's largest)); their sums by column, and the largest scores.
void exponentials(long keys, long columns, float scale, float* scores, float* tops, float* sums) {
    std::copy_n(scores, columns, tops);
    for (long i = 1; i < keys; i++) {
        const float* row = scores + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) tops[j] = row[j] > tops[j] ? row[j] : tops[j];
    }
    std::fill_n(sums, columns, 0.f);
    for (long i = 0; i < keys; i++) {
        float* row = scores + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            row[j] = hssl::vector_exp((row[j] - tops[j]) * scale);
            sums[j] += row[j];
        }
    }
}

struct Sizes {
    long tokens, depth, row, out_row;  // row, out_row: floats from a token to the next in qkv and in out
    long token_stride, depth_stride;   // padded
    float scale;
};

void forward_head(const Sizes& s, const float* query, float* out, float* log_sums) {
    const float *key = query + s.out_row, *value = key + s.out_row;
    Arena arena{scratch(s.depth * s.token_stride + s.tokens * s.depth_stride +
                        kQueries * (s.tokens + s.depth_stride) + 128)};
    float *queries_t = arena.take(s.depth * s.token_stride), *values = arena.take(s.tokens * s.depth_stride),
          *scores = arena.take(kQueries * s.tokens), *mixed = arena.take(kQueries * s.depth_stride);
    pack_transposed(s.tokens, s.depth, query, s.row, queries_t);
    pack(s.tokens, s.depth, value, s.row, values);
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long queries = std::min(kQueries, s.tokens - start), columns = padded(queries);
        multiply(s.tokens, columns, s.depth, Left{key, s.row, 1}, queries_t + start, s.token_stride, scores, columns,
                 false);
        float tops[kQueries], sums[kQueries];
        exponentials(s.tokens, columns, s.scale, scores, tops, sums);
        multiply(queries, s.depth_stride, s.tokens, Left{scores, 1, columns}, values, s.depth_stride, mixed,
                 s.depth_stride, false);
        for (long i = 0; i < queries; i++) {
            log_sums[start + i] = tops[i] * s.scale + std::log(sums[i]);
            unpack(1, s.depth, mixed + i * s.depth_stride, 1.f / sums[i], out + (start + i) * s.out_row, s.out_row);
        }
    }
}

// One block of queries: weights in place of scores, and slopes of the scores in place of those of the weights.
void score_slopes(const Sizes& s, long queries, const float* log_sums, const float* out, const float* out_grad,
                  float* scores, float* slopes) {
    const long columns = padded(queries);
    float logs[kQueries] = {}, means[kQueries] = {};
    for (long i = 0; i < queries; i++) {
        float mean = 0.f;
#pragma omp simd reduction(+ : mean)
        for (long j = 0; j < s.depth; j++) mean += out[i * s.out_row + j] * out_grad[i * s.out_row + j];
        means[i] = mean;
        logs[i] = log_sums[i];
    }
    for (long i = 0; i < s.tokens; i++) {
        float *weight = scores + i * columns, *slope = slopes + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            weight[j] = hssl::vector_exp(weight[j] * s.scale - logs[j]);
            slope[j] = weight[j] * (slope[j] - means[j]) * s.scale;
        }
    }
}

void backward_head(const Sizes& s, const float* query, const float* out, const float* log_sums,
                   const float* out_grad, float* query_grad) {
    const float *key = query + s.out_row, *value = key + s.out_row;
    const long matrix = s.tokens * s.depth_stride, transposed = s.depth * s.token_stride;
    Arena arena{scratch(6 * matrix + 2 * transposed + 2 * kQueries * s.tokens + 256)};
    float *queries = arena.take(matrix), *keys = arena.take(matrix), *slopes_out = arena.take(matrix),
          *queries_t = arena.take(transposed), *slopes_out_t = arena.take(transposed),
          *scores = arena.take(kQueries * s.tokens), *slopes = arena.take(kQueries * s.tokens);
    // Gradients of query, key and value: in their places, unless a row's last vector would reach into the next head.
    const bool in_place = s.depth == s.depth_stride;
    const long stride = in_place ? s.row : s.depth_stride;
    float* grads[3];
    for (int i = 0; i < 3; i++) grads[i] = in_place ? query_grad + i * s.out_row : arena.take(matrix);
    pack(s.tokens, s.depth, query, s.row, queries);
    pack(s.tokens, s.depth, key, s.row, keys);
    pack(s.tokens, s.depth, out_grad, s.out_row, slopes_out);
    pack_transposed(s.tokens, s.depth, query, s.row, queries_t);
    pack_transposed(s.tokens, s.depth, out_grad, s.out_row, slopes_out_t);
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long rows = std::min(kQueries, s.tokens - start), columns = padded(rows), at = start * s.depth_stride;
        multiply(s.tokens, columns, s.depth, Left{key, s.row, 1}, queries_t + start, s.token_stride, scores, columns,
                 false);
        multiply(s.tokens, columns, s.depth, Left{value, s.row, 1}, slopes_out_t + start, s.token_stride, slopes,
                 columns, false);
        score_slopes(s, rows, log_sums + start, out + start * s.out_row, out_grad + start * s.out_row, scores,
                     slopes);
        multiply(rows, s.depth_stride, s.tokens, Left{slopes, 1, columns}, keys, s.depth_stride,
                 grads[0] + start * stride, stride, false);
        multiply(s.tokens, s.depth_stride, rows, Left{slopes, columns, 1}, queries + at, s.depth_stride, grads[1],
                 stride, start > 0);
        multiply(s.tokens, s.depth_stride, rows, Left{scores, columns, 1}, slopes_out + at, s.depth_stride, grads[2],
                 stride, start > 0);
    }
    if (in_place) return;
    for (int i = 0; i < 3; i++) unpack(s.tokens, s.depth, grads[i], 1.f, query_grad + i * s.out_row, s.row);
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
