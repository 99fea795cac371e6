// Device memory that lives from call to call, for what no gradient needs: all calls run one after the other on one
// stream, so that a call may write over what the one before it used.
#pragma once

#include "device.cuh"

#include <vector>

namespace hssl {

class Scratch {
public:
    // Begins anew: what an earlier Scratch handed out is free again. Only the outermost function of a call makes one.
    Scratch() = default;
    // `count` numbers, aligned to 256 bytes.
    template <class T>
    T* take(long count) {
        return static_cast<T*>(bytes(static_cast<size_t>(count) * sizeof(T)));
    }

private:
    void* bytes(size_t size);
    size_t used_of(size_t chunk) const { return chunk < used_.size() ? used_[chunk] : 0; }
    std::vector<size_t> used_;  // bytes of each chunk
};

}  // namespace hssl
