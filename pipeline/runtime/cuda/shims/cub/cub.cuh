// CUB with the names that version 3 (CUDA 13) dropped and Jittor's softmax, argument reductions and `where` use.
#pragma once
#include_next <cub/cub.cuh>

#if CUB_VERSION >= 300000
#include <cuda/functional>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

namespace cub {

using Sum = ::cuda::std::plus<>;
using Min = ::cuda::minimum<>;
using Max = ::cuda::maximum<>;

template <class Value>
using CountingInputIterator = ::thrust::counting_iterator<Value>;

template <class Value, class Function, class Iterator>
using TransformInputIterator = ::thrust::transform_iterator<Function, Iterator>;

}  // namespace cub
#endif
