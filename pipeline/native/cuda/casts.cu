// Float to bfloat16, several arrays in one launch.
#include "casts.cuh"

namespace {

using hssl::Casts;

constexpr int kThreads = 256;

__global__ void cast_arrays(Casts casts) {
    const hssl::Cast cast = casts.all[blockIdx.y];
    const long stride = static_cast<long>(gridDim.x) * kThreads;
    const long thread = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    // A slice of an array may begin anywhere.
    const long fours = reinterpret_cast<uintptr_t>(cast.from) % 16 == 0 ? cast.count / 4 : 0;
    for (long i = thread; i < fours; i += stride) hssl::store4(cast.to + 4 * i, hssl::load4(cast.from + 4 * i));
    for (long i = 4 * fours + thread; i < cast.count; i += stride)
        cast.to[i] = hssl::from_float<hssl::bf16>(cast.from[i]);
}

}  // namespace

namespace hssl {

void cast(const Casts& casts, int count) {
    long most = 1;
    for (int i = 0; i < count; i++) most = std::max(most, casts.all[i].count);
    const unsigned blocks = static_cast<unsigned>(std::min<long>(blocks_for(most, 4 * kThreads), 8192));
    launch("cast_arrays", cast_arrays, dim3(blocks, static_cast<unsigned>(count)), dim3(kThreads), 0, casts);
}

}  // namespace hssl
