// Softmax over prototypes and the cross-entropy of distributions.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"
#include "vector_math.h"

namespace {

// So many terms are summed in float, and these sums in double.
constexpr long kBlock = 4096;

float largest(const float* x, long length) {
    float top = x[0];
#pragma omp simd reduction(max : top)
    for (long j = 0; j < length; j++) top = x[j] > top ? x[j] : top;
    return top;
}

// log sum exp(scale x)
float log_sum_exp(const float* x, long length, float scale) {
    const float top = largest(x, length);
    double sum = 0.;
    for (long start = 0; start < length; start += kBlock) {
        const long end = std::min(length, start + kBlock);
        float part = 0.f;
#pragma omp simd reduction(+ : part)
        for (long j = start; j < end; j++) part += hssl::vector_exp((x[j] - top) * scale);
        sum += part;
    }
    return top * scale + static_cast<float>(std::log(sum));
}

// y = exp(scale x - log_sum)
void exponentials(const float* x, long length, float scale, float log_sum, float* y) {
#pragma omp simd
    for (long j = 0; j < length; j++) y[j] = hssl::vector_exp(x[j] * scale - log_sum);
}

// sum probs (log_sum - scale x)
double cross_entropy(const float* probs, const float* x, long length, float scale, float log_sum) {
    double sum = 0.;
    for (long start = 0; start < length; start += kBlock) {
        const long end = std::min(length, start + kBlock);
        float part = 0.f;
#pragma omp simd reduction(+ : part)
        for (long j = start; j < end; j++) part += probs[j] * (log_sum - x[j] * scale);
        sum += part;
    }
    return sum;
}

void check_pairs(long rows, long probs_rows, long pairs, const int* logits_row, const int* probs_row) {
    for (long p = 0; p < pairs; p++) {
        if (logits_row[p] < 0 || logits_row[p] >= rows || (p > 0 && logits_row[p] < logits_row[p - 1]))
            throw std::out_of_range("soft_cross_entropy: student_rows[" + std::to_string(p) + "] = " +
                                    std::to_string(logits_row[p]) + "; expected ascending rows below " +
                                    std::to_string(rows));
        if (probs_row[p] < 0 || probs_row[p] >= probs_rows)
            throw std::out_of_range("soft_cross_entropy: teacher_rows[" + std::to_string(p) + "] = " +
                                    std::to_string(probs_row[p]) + "; expected rows below " +
                                    std::to_string(probs_rows));
    }
}

// Calls visit(row, first pair, past the last pair) for each row, rows in parallel.
template <class Visit>
void for_each_row(long rows, long pairs, const int* logits_row, Visit visit) {
#pragma omp parallel for schedule(static)
    for (long row = 0; row < rows; row++) {
        const auto range = std::equal_range(logits_row, logits_row + pairs, static_cast<int>(row));
        visit(row, range.first - logits_row, range.second - logits_row);
    }
}

}  // namespace

void hssl_teacher_probabilities(long rows, long prototypes, double temperature, const float* logits,
                                const float* center, float* probs) {
    const float scale = static_cast<float>(1. / temperature);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* in = logits + i * prototypes;
        float* out = probs + i * prototypes;
#pragma omp simd
        for (long j = 0; j < prototypes; j++) out[j] = in[j] - center[j];
        const float top = largest(out, prototypes);
        double sum = 0.;
        for (long start = 0; start < prototypes; start += kBlock) {
            const long end = std::min(prototypes, start + kBlock);
            float part = 0.f;
#pragma omp simd reduction(+ : part)
            for (long j = start; j < end; j++) {
                out[j] = hssl::vector_exp((out[j] - top) * scale);
                part += out[j];
            }
            sum += part;
        }
        const float share = static_cast<float>(1. / sum);
#pragma omp simd
        for (long j = 0; j < prototypes; j++) out[j] *= share;
    }
}

void hssl_soft_cross_entropy(long rows, long prototypes, long probs_rows, long pairs, double temperature,
                             const float* logits, const float* probs, const int* logits_row, const int* probs_row,
                             const float* weights, float* loss, float* log_sums) {
    check_pairs(rows, probs_rows, pairs, logits_row, probs_row);
    const float scale = static_cast<float>(1. / temperature);
    std::vector<double> losses(pairs);
    for_each_row(rows, pairs, logits_row, [&](long row, long first, long end) {
        const float* in = logits + row * prototypes;
        log_sums[row] = first < end ? log_sum_exp(in, prototypes, scale) : 0.f;
        for (long p = first; p < end; p++)
            losses[p] = weights[p] *
                        cross_entropy(probs + probs_row[p] * prototypes, in, prototypes, scale, log_sums[row]);
    });
    double total = 0.;
    for (long p = 0; p < pairs; p++) total += losses[p];
    *loss = static_cast<float>(total);
}

void hssl_soft_cross_entropy_gradient(long rows, long prototypes, long pairs, double temperature, const float* logits,
                                      const float* probs, const int* logits_row, const int* probs_row,
                                      const float* weights, const float* log_sums, const float* loss_grad,
                                      float* logits_grad) {
    const float scale = static_cast<float>(1. / temperature);
    for_each_row(rows, pairs, logits_row, [&](long row, long first, long end) {
        const float* in = logits + row * prototypes;
        float* out = logits_grad + row * prototypes;
        if (first == end) {
            std::fill_n(out, prototypes, 0.f);
            return;
        }
        float weight = 0.f;
        for (long p = first; p < end; p++) weight += weights[p];
        weight *= *loss_grad * scale;
        const float first_weight = weights[first] * *loss_grad * scale, log_sum = log_sums[row];
        const float* target = probs + probs_row[first] * prototypes;
        exponentials(in, prototypes, scale, log_sum, out);
#pragma omp simd
        for (long j = 0; j < prototypes; j++) out[j] = weight * out[j] - first_weight * target[j];
        for (long p = first + 1; p < end; p++) {
            const float share = weights[p] * *loss_grad * scale;
            const float* next = probs + probs_row[p] * prototypes;
#pragma omp simd
            for (long j = 0; j < prototypes; j++) out[j] -= share * next[j];
        }
    });
}
