// Multi-head attention whose products take bfloat16: weights and the slopes of scores are rounded once; softmax and
// sums are float32. As in attention.cpp, each head of each image is one task.
#include "attention_rounded.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "chunks.h"
#include "tiles.h"
#include "vector_math.h"

namespace {

using hssl::LeftPairs;
using hssl::multiply;
using hssl::Pair;
using hssl::pair_of;
using hssl::padded;
using hssl::Rounded;
using hssl::rounded;
using hssl::widened;

constexpr long kQueries = 48;  // queries whose weights are in memory at once; even

struct Heads;

// Also gives out pairs, as many as floats.
class PairArena : public hssl::ArenaOf<Heads> {
  public:
    using hssl::ArenaOf<Heads>::ArenaOf;
    Pair* take_pairs(long length) { return reinterpret_cast<Pair*>(take(length)); }
};

struct Sizes {
    long tokens, depth, row, out_row;  // row, out_row: values from a token to the next in qkv and in out
    long token_stride, depth_stride;   // padded
    long depth_pairs, token_pairs;
    float scale;
};

Sizes sizes_of(long tokens, long heads, long depth) {
    return {tokens,         depth,           3 * heads * depth, heads * depth,   padded(tokens),
            padded(depth),  (depth + 1) / 2, (tokens + 1) / 2,  1.f / std::sqrt(static_cast<float>(depth))};
}

inline void round_values(long size, const Rounded* from, Rounded* to) { std::memcpy(to, from, size * sizeof *to); }
inline void round_values(long size, const float* from, Rounded* to) { hssl::round_row(size, from, to); }

inline Rounded value(Rounded x) { return x; }
inline Rounded value(float x) { return rounded(x); }

// to (tokens, depth / 2): pairs along the depth, as a left factor; the last one with 0 if the depth is odd.
template <class Value>
void pairs_of_rows(const Sizes& s, const Value* rows, long stride, Pair* to) {
    for (long i = 0; i < s.tokens; i++) {
        Rounded* row = reinterpret_cast<Rounded*>(to + i * s.depth_pairs);
        round_values(s.depth, rows + i * stride, row);
        if (s.depth % 2) row[s.depth] = 0;
    }
}

// to (depth / 2, tokens), zeros beyond the last token: such pairs transposed, as a right factor.
void transposed(const Sizes& s, const Pair* pairs, Pair* to) {
    for (long p = 0; p < s.depth_pairs; p++) {
        Pair* row = to + p * s.token_stride;
        const Pair* from = pairs + p;
        const long stride = s.depth_pairs;
#pragma omp simd
        for (long i = 0; i < s.tokens; i++) row[i] = from[i * stride];
        std::fill(row + s.tokens, row + s.token_stride, 0);
    }
}

// to (tokens / 2, depth), zeros beyond the depth: pairs along the tokens, as a right factor.
template <class Value>
void pairs_of_tokens(const Sizes& s, const Value* rows, long stride, Pair* to) {
    for (long p = 0; p < s.token_pairs; p++) {
        Pair* row = to + p * s.depth_stride;
        const Value *first = rows + 2 * p * stride, *second = first + stride;
        if (2 * p + 1 == s.tokens) {
#pragma omp simd
            for (long j = 0; j < s.depth; j++) row[j] = value(first[j]);
        } else {
#pragma omp simd
            for (long j = 0; j < s.depth; j++) row[j] = pair_of(value(first[j]), value(second[j]));
        }
        std::fill(row + s.depth, row + s.depth_stride, 0);
    }
}

// weights (tokens) = exp(scale (scores - largest)), rounded, and zeros up to token_stride; returns their sum.
float exponentials(const Sizes& s, const float* scores, Rounded* weights, float& top) {
    float most = scores[0], sum = 0.f;
#pragma omp simd reduction(max : most)
    for (long j = 0; j < s.tokens; j++) most = scores[j] > most ? scores[j] : most;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < s.tokens; j++) {
        const float weight = hssl::vector_exp(s.scale * (scores[j] - most));
        weights[j] = rounded(weight);
        sum += weight;
    }
    for (long j = s.tokens; j < s.token_stride; j++) weights[j] = 0;
    top = s.scale * most;
    return sum;
}

void forward_head(const Sizes& s, const Rounded* query, Rounded* out, float* log_sums) {
    const Rounded *key = query + s.out_row, *value_rows = key + s.out_row;
    PairArena arena((2 * s.tokens + s.token_stride) * s.depth_pairs + s.token_pairs * s.depth_stride +
              kQueries * (2 * s.token_stride + s.depth_stride));
    Pair *queries = arena.take_pairs(s.tokens * s.depth_pairs), *key_rows = arena.take_pairs(s.tokens * s.depth_pairs),
         *keys = arena.take_pairs(s.depth_pairs * s.token_stride),
         *values = arena.take_pairs(s.token_pairs * s.depth_stride), *weights = arena.take_pairs(kQueries * s.token_stride / 2);
    float *scores = arena.take(kQueries * s.token_stride), *mixed = arena.take(kQueries * s.depth_stride);
    pairs_of_rows(s, query, s.row, queries);
    pairs_of_rows(s, key, s.row, key_rows);
    transposed(s, key_rows, keys);
    pairs_of_tokens(s, value_rows, s.row, values);
    const long weight_stride = s.token_stride / 2;
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long rows = std::min(kQueries, s.tokens - start);
        multiply(rows, s.token_stride, s.depth_pairs, LeftPairs{queries + start * s.depth_pairs, s.depth_pairs, 1},
                 keys, s.token_stride, scores, s.token_stride, false);
        float sums[kQueries];
        for (long i = 0; i < rows; i++) {
            float top;
            sums[i] = exponentials(s, scores + i * s.token_stride,
                                   reinterpret_cast<Rounded*>(weights + i * weight_stride), top);
            log_sums[start + i] = top + std::log(sums[i]);
        }
        multiply(rows, s.depth_stride, s.token_pairs, LeftPairs{weights, weight_stride, 1}, values, s.depth_stride,
                 mixed, s.depth_stride, false);
        for (long i = 0; i < rows; i++) {
            const float* from = mixed + i * s.depth_stride;
            Rounded* to = out + (start + i) * s.out_row;
            const float scale = 1.f / sums[i];
#pragma omp simd
            for (long j = 0; j < s.depth; j++) to[j] = rounded(scale * from[j]);
        }
    }
}

// Weights from scores, and the slopes of the scores: floats in the place of both.
void score_slopes(const Sizes& s, long rows, const float* log_sums, const Rounded* out, const float* out_grad,
                  float* scores, float* slopes) {
    for (long i = 0; i < rows; i++) {
        float *weight = scores + i * s.token_stride, *slope = slopes + i * s.token_stride, mean = 0.f;
        const float log_sum = log_sums[i], scale = s.scale;
#pragma omp simd reduction(+ : mean)
        for (long j = 0; j < s.depth; j++) mean += widened(out[i * s.out_row + j]) * out_grad[i * s.out_row + j];
#pragma omp simd
        for (long j = 0; j < s.tokens; j++) {
            weight[j] = hssl::vector_exp(scale * weight[j] - log_sum);
            slope[j] = weight[j] * (slope[j] - mean);
        }
        for (long j = s.tokens; j < s.token_stride; j++) weight[j] = slope[j] = 0.f;
    }
}

// to (rows / 2, tokens): pairs along the rows, the last one with 0 if there is an odd number.
void pairs_of_queries(const Sizes& s, long rows, const float* from, Pair* to) {
    for (long i = 0; i < rows; i += 2) {
        const float *first = from + i * s.token_stride, *second = first + s.token_stride;
        Pair* pairs = to + i / 2 * s.token_stride;
        if (i + 1 == rows) {
#pragma omp simd
            for (long j = 0; j < s.token_stride; j++) pairs[j] = rounded(first[j]);
            return;
        }
#pragma omp simd
        for (long j = 0; j < s.token_stride; j++) pairs[j] = pair_of(rounded(first[j]), rounded(second[j]));
    }
}

void scaled(long rows, long width, const float* from, long from_stride, float scale, float* to, long stride) {
    for (long i = 0; i < rows; i++) {
        const float* given = from + i * from_stride;
        float* row = to + i * stride;
#pragma omp simd
        for (long j = 0; j < width; j++) row[j] = given[j] * scale;
    }
}

void backward_head(const Sizes& s, const Rounded* query, const Rounded* out, const float* log_sums,
                   const float* out_grad, float* query_grad) {
    const Rounded *key = query + s.out_row, *values = key + s.out_row;
    const long rows_of_pairs = s.tokens * s.depth_pairs, columns_of_pairs = s.depth_pairs * s.token_stride,
               along_tokens = s.token_pairs * s.depth_stride, matrix = s.tokens * s.depth_stride,
               block = kQueries * s.token_stride;
    PairArena arena(3 * rows_of_pairs + 2 * columns_of_pairs + 3 * along_tokens + 2 * matrix + 4 * block +
              kQueries * s.depth_stride);
    Pair *queries = arena.take_pairs(rows_of_pairs), *slopes_out = arena.take_pairs(rows_of_pairs),
         *rows_turned = arena.take_pairs(rows_of_pairs), *keys_t = arena.take_pairs(columns_of_pairs),
         *values_t = arena.take_pairs(columns_of_pairs), *keys = arena.take_pairs(along_tokens),
         *queries_t = arena.take_pairs(along_tokens), *slopes_out_t = arena.take_pairs(along_tokens),
         *slope_rows = arena.take_pairs(block / 2), *slope_pairs = arena.take_pairs(block / 2),
         *weight_pairs = arena.take_pairs(block / 2);
    float *key_grads = arena.take(matrix), *value_grads = arena.take(matrix), *scores = arena.take(block),
          *slopes = arena.take(block), *query_grads = arena.take(kQueries * s.depth_stride);
    pairs_of_rows(s, query, s.row, queries);
    pairs_of_rows(s, out_grad, s.out_row, slopes_out);
    pairs_of_rows(s, key, s.row, rows_turned);
    transposed(s, rows_turned, keys_t);
    pairs_of_rows(s, values, s.row, rows_turned);
    transposed(s, rows_turned, values_t);
    pairs_of_tokens(s, key, s.row, keys);
    pairs_of_tokens(s, query, s.row, queries_t);
    pairs_of_tokens(s, out_grad, s.out_row, slopes_out_t);
    for (long start = 0; start < s.tokens; start += kQueries) {
        const long rows = std::min(kQueries, s.tokens - start), row_pairs = (rows + 1) / 2;
        const long at = start * s.depth_pairs, at_pairs = start / 2 * s.depth_stride;
        multiply(rows, s.token_stride, s.depth_pairs, LeftPairs{queries + at, s.depth_pairs, 1}, keys_t,
                 s.token_stride, scores, s.token_stride, false);
        multiply(rows, s.token_stride, s.depth_pairs, LeftPairs{slopes_out + at, s.depth_pairs, 1}, values_t,
                 s.token_stride, slopes, s.token_stride, false);
        score_slopes(s, rows, log_sums + start, out + start * s.out_row, out_grad + start * s.out_row, scores,
                     slopes);
        hssl::round_row(rows * s.token_stride, slopes, reinterpret_cast<Rounded*>(slope_rows));
        pairs_of_queries(s, rows, slopes, slope_pairs);
        pairs_of_queries(s, rows, scores, weight_pairs);
        multiply(rows, s.depth_stride, s.token_pairs, LeftPairs{slope_rows, s.token_stride / 2, 1}, keys,
                 s.depth_stride, query_grads, s.depth_stride, false);
        scaled(rows, s.depth, query_grads, s.depth_stride, s.scale, query_grad + start * s.row, s.row);
        multiply(s.tokens, s.depth_stride, row_pairs, LeftPairs{slope_pairs, 1, s.token_stride}, queries_t + at_pairs,
                 s.depth_stride, key_grads, s.depth_stride, start > 0);
        multiply(s.tokens, s.depth_stride, row_pairs, LeftPairs{weight_pairs, 1, s.token_stride},
                 slopes_out_t + at_pairs, s.depth_stride, value_grads, s.depth_stride, start > 0);
    }
    scaled(s.tokens, s.depth, key_grads, s.depth_stride, s.scale, query_grad + s.out_row, s.row);
    scaled(s.tokens, s.depth, value_grads, s.depth_stride, 1.f, query_grad + 2 * s.out_row, s.row);
}

}  // namespace

void hssl::attention_rounded(long batch, long tokens, long heads, long depth, const Rounded* qkv, Rounded* out,
                             float* log_sums) {
    const Sizes s = sizes_of(tokens, heads, depth);
#pragma omp parallel for schedule(static)
    for (long task = 0; task < batch * heads; task++) {
        const long image = task / heads, channel = task % heads * depth;
        forward_head(s, qkv + image * tokens * s.row + channel, out + image * tokens * s.out_row + channel,
                     log_sums + task * tokens);
    }
}

void hssl::attention_rounded_gradient(long batch, long tokens, long heads, long depth, const Rounded* qkv,
                                      const Rounded* out, const float* log_sums, const float* out_grad,
                                      float* qkv_grad) {
    const Sizes s = sizes_of(tokens, heads, depth);
#pragma omp parallel for schedule(static)
    for (long task = 0; task < batch * heads; task++) {
        const long image = task / heads, channel = task % heads * depth;
        const long at = image * tokens * s.row + channel, out_at = image * tokens * s.out_row + channel;
        backward_head(s, qkv + at, out + out_at, log_sums + task * tokens, out_grad + out_at, qkv_grad + at);
    }
}
