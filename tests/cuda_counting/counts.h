// What the counting libraries share. They are one file under the names of several: one set of counts in a process.
#pragma once

#include <atomic>

namespace counting {

// In the order of `Counts` in counted_library.py; all since the library was loaded.
struct Counts {
    std::atomic<long> launches;  // of kernels
    std::atomic<long> products;  // of matrices, by cuBLAS and cuBLASLt
    std::atomic<long> float32_products, tf32_products;  // of them, cuBLASLt's of float32, by what factors are rounded to
    std::atomic<long> uploads, uploaded_bytes;  // host to device
    std::atomic<long> downloads, downloaded_bytes;  // device to host
    std::atomic<long> waits;  // calls in which the host waits for the device
    std::atomic<long> allocations;  // of device memory and of pinned host memory
    std::atomic<long> live_bytes, peak_bytes;  // of device memory, as asked for
    std::atomic<long> pinned_bytes;
};

inline Counts& counts() {
    static Counts all{};
    return all;
}

}  // namespace counting
