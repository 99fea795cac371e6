// Products of matrices in double, in the place of cuBLASLt.
#include "../../pipeline/native/cuda/products.cuh"

namespace hssl {

template <class In, class Out>
void product(long rows, long columns, long depth, const In* left, bool left_turned, const In* right,
             bool right_turned, const Out* bias, Out* y, bool add) {
    cuda_on_host::launches()++;
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) {
            double sum = bias ? to_float(bias[j]) : 0.f;
            if (add) sum += to_float(y[i * columns + j]);
            for (long k = 0; k < depth; k++)
                sum += static_cast<double>(to_float(left[left_turned ? k * rows + i : i * depth + k])) *
                       to_float(right[right_turned ? j * depth + k : k * columns + j]);
            y[i * columns + j] = from_float<Out>(static_cast<float>(sum));
        }
}

template void product(long, long, long, const float*, bool, const float*, bool, const float*, float*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const bf16*, bf16*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const float*, float*, bool);

}  // namespace hssl

extern "C" long cuda_on_host_launches() { return cuda_on_host::launches(); }
