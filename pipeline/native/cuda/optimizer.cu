// AdamW and the moving average over many tensors in a few launches: what a launch needs to know of each tensor goes
// with its arguments (4 KB), so that nothing is copied and nobody waits.
#include <cmath>
#include <vector>

#include "columns.cuh"
#include "kernels.h"

namespace {

using hssl::blocks_for;
using hssl::load4;
using hssl::store4;

constexpr int kThreads = 256;
constexpr long kPiece = 16384;  // elements of a block, and of a partial sum of squares

struct Update {
    float* parameter;
    const float* gradient;
    float *first, *second;
    long size, first_part;  // where its partial sums of squares begin
    float rate, root, kept;
};

constexpr int kUpdates = 48;

struct Updates {
    Update all[kUpdates];
    float keep1, keep2, take1, take2, eps, limit;
};

static_assert(sizeof(Updates) <= 4000, "arguments of a launch");

// parts: sums of squares of each tensor's pieces.
__global__ void square_sums(Updates updates, float* parts) {
    __shared__ float memory[kThreads / hssl::kWarp];
    const Update& u = updates.all[blockIdx.y];
    const long start = static_cast<long>(blockIdx.x) * kPiece, end = min(u.size, start + kPiece);
    if (start >= end) return;  // the whole block
    float sum = 0.f;
    const long fours = start + (end - start) / 4 * 4;
    for (long i = start + 4 * threadIdx.x; i < fours; i += 4 * kThreads) {
        const float4 g = load4(u.gradient + i);
        sum += (g.x * g.x + g.y * g.y) + (g.z * g.z + g.w * g.w);
    }
    for (long i = fours + threadIdx.x; i < end; i += kThreads) sum += u.gradient[i] * u.gradient[i];
    sum = hssl::block_sum(sum, memory);
    if (threadIdx.x == 0) parts[u.first_part + blockIdx.x] = sum;
}

__device__ void move(const Updates& all, const Update& u, float scale, float& p, float& m, float& v, float g) {
    const float slope = g * scale;
    m = all.keep1 * m + all.take1 * slope;
    v = all.keep2 * v + all.take2 * slope * slope;
    p = p * u.kept - u.rate * m / (sqrtf(v) * u.root + all.eps);
}

__global__ void adamw(Updates updates, const float* parts) {
    const Update& u = updates.all[blockIdx.y];
    const long start = static_cast<long>(blockIdx.x) * kPiece, end = min(u.size, start + kPiece);
    if (start >= end) return;  // the whole block
    float scale = 1.f;
    if (updates.limit > 0.f) {
        const long pieces = (u.size + kPiece - 1) / kPiece;
        float sum = 0.f;  // every warp adds the same parts in the same order
        for (long i = threadIdx.x % hssl::kWarp; i < pieces; i += hssl::kWarp) sum += parts[u.first_part + i];
        scale = fminf(1.f, updates.limit / (sqrtf(hssl::warp_sum(sum)) + 1e-6f));
    }
    // The moments of all tensors lie one after the other; one of an odd size leaves the next unaligned.
    const long fours = reinterpret_cast<uintptr_t>(u.first) % 16 ? start : start + (end - start) / 4 * 4;
    for (long i = start + 4 * threadIdx.x; i < fours; i += 4 * kThreads) {
        float4 p = load4(u.parameter + i), m = load4(u.first + i), v = load4(u.second + i);
        const float4 g = load4(u.gradient + i);
        move(updates, u, scale, p.x, m.x, v.x, g.x);
        move(updates, u, scale, p.y, m.y, v.y, g.y);
        move(updates, u, scale, p.z, m.z, v.z, g.z);
        move(updates, u, scale, p.w, m.w, v.w, g.w);
        store4(u.parameter + i, p);
        store4(u.first + i, m);
        store4(u.second + i, v);
    }
    for (long i = fours + threadIdx.x; i < end; i += kThreads)
        move(updates, u, scale, u.parameter[i], u.first[i], u.second[i], u.gradient[i]);
}

struct Average {
    float* teacher;
    const float* student;
    long size;
};

constexpr int kAverages = 160;

struct Averages {
    Average all[kAverages];
    float keep, take;
};

static_assert(sizeof(Averages) <= 4000, "arguments of a launch");

__global__ void moving_average(Averages averages) {
    const Average& a = averages.all[blockIdx.y];
    const long start = static_cast<long>(blockIdx.x) * kPiece, end = min(a.size, start + kPiece);
    const float keep = averages.keep, take = averages.take;
    if (start >= end) return;
    const long fours = start + (end - start) / 4 * 4;
    for (long i = start + 4 * threadIdx.x; i < fours; i += 4 * kThreads) {
        const float4 t = load4(a.teacher + i), s = load4(a.student + i);
        store4(a.teacher + i, make_float4(keep * t.x + take * s.x, keep * t.y + take * s.y, keep * t.z + take * s.z,
                                          keep * t.w + take * s.w));
    }
    for (long i = fours + threadIdx.x; i < end; i += kThreads) a.teacher[i] = keep * a.teacher[i] + take * a.student[i];
}

}  // namespace

void hssl_device_adamw(long tensors, const long* sizes, const long* offsets, const unsigned char* active,
                       const unsigned char* decayed, const double* lr_scales, const long* steps, const double* hyper,
                       float* const* parameters, const float* const* gradients, float* first, float* second) {
    const double weight_decay = hyper[1], beta1 = hyper[2], beta2 = hyper[3];
    hssl::Scratch scratch;
    std::vector<Update> all;
    long parts = 0;
    for (long t = 0; t < tensors; t++) {
        if (!active[t] || sizes[t] == 0) continue;
        const double count = static_cast<double>(steps[t]), lr = hyper[0] * lr_scales[t];
        all.push_back({parameters[t], gradients[t], first + offsets[t], second + offsets[t], sizes[t], parts,
                       static_cast<float>(lr / (1. - std::pow(beta1, count))),
                       static_cast<float>(1. / std::sqrt(1. - std::pow(beta2, count))),
                       static_cast<float>(1. - (decayed[t] ? lr * weight_decay : 0.))});
        parts += (sizes[t] + kPiece - 1) / kPiece;
    }
    float* squares = scratch.take<float>(parts);
    for (size_t start = 0; start < all.size(); start += kUpdates) {
        const size_t count = std::min<size_t>(kUpdates, all.size() - start);
        Updates updates{};
        long most = 0;
        for (size_t i = 0; i < count; i++) {
            updates.all[i] = all[start + i];
            most = std::max(most, updates.all[i].size);
        }
        updates.keep1 = static_cast<float>(beta1), updates.keep2 = static_cast<float>(beta2);
        updates.take1 = static_cast<float>(1. - beta1), updates.take2 = static_cast<float>(1. - beta2);
        updates.eps = static_cast<float>(hyper[4]), updates.limit = static_cast<float>(hyper[5]);
        const dim3 grid(blocks_for(most, kPiece), static_cast<unsigned>(count));
        if (updates.limit > 0.f) hssl::launch("square_sums", square_sums, grid, dim3(kThreads), 0, updates, squares);
        hssl::launch("adamw", adamw, grid, dim3(kThreads), 0, updates, squares);
    }
}

void hssl_device_ema(long tensors, const long* sizes, float* const* teacher, const float* const* student,
                     double momentum) {
    for (long start = 0; start < tensors; start += kAverages) {
        const long count = std::min<long>(kAverages, tensors - start);
        Averages averages{};
        averages.keep = static_cast<float>(momentum), averages.take = static_cast<float>(1. - momentum);
        long most = 1;
        for (long i = 0; i < count; i++) {
            averages.all[i] = {teacher[start + i], student[start + i], sizes[start + i]};
            most = std::max(most, sizes[start + i]);
        }
        hssl::launch("moving_average", moving_average, dim3(blocks_for(most, kPiece), static_cast<unsigned>(count)),
                     dim3(kThreads), 0, averages);
    }
}
