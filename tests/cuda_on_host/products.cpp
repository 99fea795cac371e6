// Products of matrices in double, in the place of cuBLASLt.
#include <vector>

#include "../../pipeline/native/cuda/products.cuh"

namespace hssl {

template <class In, class Out>
void product(long rows, long columns, long depth, const In* left, bool left_turned, const In* right,
             bool right_turned, const Out* bias, Out* y, bool add) {
    cuda_on_host::launches()++;
    std::vector<double> factors(static_cast<size_t>(depth * columns)), sums(static_cast<size_t>(columns));
    for (long k = 0; k < depth; k++)
        for (long j = 0; j < columns; j++)
            factors[k * columns + j] = to_float(right[right_turned ? j * depth + k : k * columns + j]);
    for (long i = 0; i < rows; i++) {
        for (long j = 0; j < columns; j++)
            sums[j] = (bias ? to_float(bias[j]) : 0.f) + (add ? static_cast<double>(to_float(y[i * columns + j])) : 0.0);
        for (long k = 0; k < depth; k++) {
            const double factor = to_float(left[left_turned ? k * rows + i : i * depth + k]);
            for (long j = 0; j < columns; j++) sums[j] += factor * factors[k * columns + j];
        }
        for (long j = 0; j < columns; j++) y[i * columns + j] = from_float<Out>(static_cast<float>(sums[j]));
    }
}

template void product(long, long, long, const float*, bool, const float*, bool, const float*, float*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const bf16*, bf16*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const float*, float*, bool);

}  // namespace hssl

extern "C" long cuda_on_host_launches() { return cuda_on_host::launches(); }
