// A CUDA driver with one card, or COUNTING_CARDS, for the questions that are asked before a start. Like the real one it
// shows what CUDA_VISIBLE_DEVICES names when it is initialised.
#include <cuda.h>

#include <cstdio>

#include "cards.h"

using counting::visible_cards;

extern "C" {

CUresult cuInit(unsigned) { return visible_cards().empty() ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS; }

CUresult cuDriverGetVersion(int* version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
    *count = static_cast<int>(visible_cards().size());
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int index) {
    if (index < 0 || index >= static_cast<int>(visible_cards().size())) return CUDA_ERROR_INVALID_DEVICE;
    *device = visible_cards()[static_cast<size_t>(index)];
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
    std::snprintf(name, static_cast<size_t>(size), "counting device %d", device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
    *bytes = size_t{80} << 30;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; return CUDA_SUCCESS;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuGetErrorName(CUresult status, const char** name) {
    *name = status == CUDA_ERROR_NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "an error of the counting driver";
    return CUDA_SUCCESS;
}

}  // extern "C"
