// A CUDA runtime that counts. Device memory is address space of the host: uploads are copied into it, kernels are not
// run. Where $COUNTING_BYTE is set, every byte that is downloaded has that value, so that what reads them can go on;
// else it is what was uploaded, and what is computed over it means nothing.
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "cards.h"
#include "counts.h"

namespace {

using counting::counts;

// As an H100 has them.
constexpr int kMajor = 9, kMinor = 0, kMultiprocessors = 132, kThreads = 1024;
constexpr int kSharedBytes = 227 * 1024;
constexpr size_t kMemoryBytes = size_t{80} << 30;

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t returned(cudaError_t status) {
    if (status != cudaSuccess) last_error = status;
    return status;
}

std::mutex& lock() {
    static std::mutex made;
    return made;
}

// Never destroyed: Jittor frees memory after the destructors of other libraries.
std::map<void*, size_t>& device_blocks() {
    static auto* made = new std::map<void*, size_t>;
    return *made;
}

std::map<void*, size_t>& pinned_blocks() {
    static auto* made = new std::map<void*, size_t>;
    return *made;
}

// The value of every downloaded byte; null: they are copied.
const char* downloaded_byte() {
    static const char* given = std::getenv("COUNTING_BYTE");
    return given;
}

cudaError_t copied(void* to, const void* from, size_t size, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyHostToDevice) {
        counts().uploads++, counts().uploaded_bytes += size;
    } else if (kind == cudaMemcpyDeviceToHost) {
        counts().downloads++, counts().downloaded_bytes += size;
        if (const char* byte = downloaded_byte()) {
            std::memset(to, std::atoi(byte), size);
            return cudaSuccess;
        }
    } else if (kind == cudaMemcpyDeviceToDevice) {
        return cudaSuccess;
    } else {
        return returned(cudaErrorInvalidMemcpyDirection);
    }
    std::memcpy(to, from, size);
    return cudaSuccess;
}

template <class Handle>
void give(Handle* handle) {
    *handle = reinterpret_cast<Handle>(uintptr_t{16});
}

cudaError_t launched(dim3 grid, dim3 block, size_t shared) {
    const size_t threads = size_t{block.x} * block.y * block.z;
    if (!threads || threads > kThreads || !grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535 ||
        shared > kSharedBytes)
        return returned(cudaErrorInvalidConfiguration);
    counts().launches++;
    return cudaSuccess;
}

}  // namespace

extern "C" {

// --- memory --------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** address, size_t size) {
    *address = nullptr;
    if (size == 0) return cudaSuccess;
    if (counts().live_bytes + size > kMemoryBytes) return returned(cudaErrorMemoryAllocation);
    void* made = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return returned(cudaErrorMemoryAllocation);
    const std::lock_guard<std::mutex> held(lock());
    device_blocks()[*address = made] = size;
    counts().allocations++;
    counts().live_bytes += size;
    if (counts().live_bytes > counts().peak_bytes) counts().peak_bytes = counts().live_bytes.load();
    return cudaSuccess;
}

cudaError_t cudaMallocManaged(void** address, size_t size, unsigned) { return cudaMalloc(address, size); }

// Waits for the device, as the real one does.
cudaError_t cudaFree(void* address) {
    if (address == nullptr) return cudaSuccess;
    const std::lock_guard<std::mutex> held(lock());
    const auto found = device_blocks().find(address);
    if (found == device_blocks().end()) return returned(cudaErrorInvalidValue);
    munmap(address, found->second);
    counts().waits++;
    counts().live_bytes -= found->second;
    device_blocks().erase(found);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void** address, size_t size) {
    *address = std::aligned_alloc(4096, (size / 4096 + 1) * 4096);
    if (*address == nullptr) return returned(cudaErrorMemoryAllocation);
    const std::lock_guard<std::mutex> held(lock());
    pinned_blocks()[*address] = size;
    counts().allocations++;
    counts().pinned_bytes += size;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void* address) {
    const std::lock_guard<std::mutex> held(lock());
    const auto found = pinned_blocks().find(address);
    if (found == pinned_blocks().end()) return returned(cudaErrorInvalidValue);
    counts().waits++;
    counts().pinned_bytes -= found->second;
    pinned_blocks().erase(found);
    std::free(address);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *total = kMemoryBytes;
    *free = kMemoryBytes - counts().live_bytes;
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind) {
    if (kind != cudaMemcpyDeviceToDevice) counts().waits++;
    return copied(to, from, size, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind kind, cudaStream_t) {
    return copied(to, from, size, kind);
}

cudaError_t cudaMemset(void*, int, size_t) { return cudaSuccess; }
cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t) { return cudaSuccess; }

// --- the device ----------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
    *count = static_cast<int>(counting::visible_cards().size());
    return *count ? cudaSuccess : returned(cudaErrorNoDevice);
}

// A process uses the first card that it sees.
cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : returned(cudaErrorInvalidDevice); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int) {
    std::memset(found, 0, sizeof *found);
    std::strcpy(found->name, "counting device");
    found->major = kMajor, found->minor = kMinor;
    found->multiProcessorCount = kMultiprocessors;
    found->maxThreadsPerBlock = kThreads;
    found->warpSize = 32;
    found->totalGlobalMem = kMemoryBytes;
    found->sharedMemPerBlockOptin = kSharedBytes;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: *value = kMajor; return cudaSuccess;
        case cudaDevAttrComputeCapabilityMinor: *value = kMinor; return cudaSuccess;
        case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; return cudaSuccess;
        case cudaDevAttrMaxThreadsPerBlock: *value = kThreads; return cudaSuccess;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedBytes; return cudaSuccess;
        default: return returned(cudaErrorInvalidValue);
    }
}

cudaError_t cudaGetLastError() {
    const cudaError_t found = last_error;
    last_error = cudaSuccess;
    return found;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t status) { return status ? "an error of the counting runtime" : "none"; }
const char* cudaGetErrorString(cudaError_t status) { return cudaGetErrorName(status); }

// --- waits, streams, events ----------------------------------------------------------------------

cudaError_t cudaDeviceSynchronize() {
    counts().waits++;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaDeviceSynchronize(); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaDeviceSynchronize(); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    give(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

cudaError_t cudaEventCreate(cudaEvent_t* event) {
    give(event);
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
    *milliseconds = 1.f;
    return cudaSuccess;
}

// At once: all that was handed over before has been done.
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* given) {
    function(given);
    return cudaSuccess;
}

// --- launches, as the code calls them that nvcc writes -------------------------------------------

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
    const bool too_much = attribute == cudaFuncAttributeMaxDynamicSharedMemorySize && value > kSharedBytes;
    return too_much ? returned(cudaErrorInvalidValue) : cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void*, dim3 grid, dim3 block, void**, size_t shared, cudaStream_t) {
    return launched(grid, block, shared);
}

struct Configuration {
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
};
static thread_local Configuration configuration;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
    configuration = {grid, block, shared, stream};
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
    *grid = configuration.grid, *block = configuration.block, *shared = configuration.shared;
    *static_cast<cudaStream_t*>(stream) = configuration.stream;
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
    *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
    return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3 grid, dim3 block, void**, size_t shared, cudaStream_t) {
    return launched(grid, block, shared);
}

void** __cudaRegisterFatBinary(void*) {
    static void* handle;
    return &handle;
}

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, uint3*, uint3*, dim3*, dim3*, int*) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}

// --- what the tests ask --------------------------------------------------------------------------

void counting_read(counting::Counts* found) {
    std::memcpy(static_cast<void*>(found), &counts(), sizeof *found);
}

}  // extern "C"
