// A stand-in for NCCL that exchanges between processes of one machine through shared memory, at once and in the order
// of ranks: for memory of the host, which that of the counting runtime is too. A test compiles it with NCCL's own
// header, so that the compiler compares the declarations.
#ifdef REAL_HEADER
#include <nccl.h>
#else
#include <cstddef>
using cudaStream_t = void*;
using ncclComm_t = struct ncclComm*;
struct ncclUniqueId {
    char internal[128];
};
enum ncclResult_t { ncclSuccess = 0, ncclSystemError = 2, ncclInvalidArgument = 4 };
enum ncclDataType_t { ncclFloat32 = 7 };
enum ncclRedOp_t { ncclSum = 0, ncclAvg = 4 };
#endif

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static_assert(ncclFloat32 == 7 && ncclSum == 0 && ncclAvg == 4 && sizeof(ncclUniqueId) == 128,
              "the numbers in pipeline/ranks/nccl.py");

namespace {

constexpr size_t kPieceBytes = 1 << 20;  // of a rank at a time

struct Shared {
    pthread_barrier_t barrier;
    int ready;
};

struct Counts {
    long launches, bytes, gathers;
} counts;

struct Work {
    const float* from;
    float* to;
    size_t count;
    bool mean;
};

std::vector<Work> queued;
int depth = 0;
ncclComm_t group = nullptr;

}  // namespace

struct ncclComm {
    int count, rank;
    Shared* shared;
    float* pieces;  // one of each rank
};

namespace {

void meet(ncclComm_t comm) { pthread_barrier_wait(&comm->shared->barrier); }

float* piece(ncclComm_t comm, int rank) { return comm->pieces + rank * (kPieceBytes / sizeof(float)); }

void reduce(ncclComm_t comm, const Work& work) {
    for (size_t start = 0; start < work.count; start += kPieceBytes / sizeof(float)) {
        const size_t size = std::min(kPieceBytes / sizeof(float), work.count - start);
        std::memcpy(piece(comm, comm->rank), work.from + start, size * sizeof(float));
        meet(comm);
        for (size_t i = 0; i < size; i++) {
            float sum = piece(comm, 0)[i];
            for (int rank = 1; rank < comm->count; rank++) sum += piece(comm, rank)[i];
            work.to[start + i] = work.mean ? sum / static_cast<float>(comm->count) : sum;
        }
        meet(comm);
    }
}

void run_group() {
    if (queued.empty()) return;
    counts.launches++;
    for (const Work& work : queued) reduce(group, work);
    queued.clear();
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
    *version = 22803;
    return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t status) { return status ? "an error of the stand-in" : "no error"; }
const char* ncclGetLastError(ncclComm_t) { return "none"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* made) {
    std::memset(made, 0, sizeof *made);
    std::snprintf(made->internal, sizeof made->internal, "/hssl-nccl-%d-%ld", getpid(), random());
    return ncclSuccess;
}

// STAND_IN_REFUSES: the rank whose initialisation fails, as where two ranks have one card.
ncclResult_t ncclCommInitRank(ncclComm_t* made, int count, ncclUniqueId id, int rank) {
    const char* refused = std::getenv("STAND_IN_REFUSES");
    if (refused && std::atoi(refused) == rank) return ncclInvalidArgument;
    const size_t bytes = 4096 + count * kPieceBytes;
    const int file = shm_open(id.internal, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes))) return ncclSystemError;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return ncclSystemError;
    auto* shared = static_cast<Shared*>(memory);
    if (rank == 0) {
        pthread_barrierattr_t across;
        pthread_barrierattr_init(&across);
        pthread_barrierattr_setpshared(&across, PTHREAD_PROCESS_SHARED);
        pthread_barrier_init(&shared->barrier, &across, static_cast<unsigned>(count));
        __atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
    }
    while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE)) usleep(1000);
    *made = new ncclComm{count, rank, shared, reinterpret_cast<float*>(static_cast<char*>(memory) + 4096)};
    if (!refused) meet(*made);
    shm_unlink(id.internal);
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t) { return ncclSuccess; }
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* status) {
    *status = ncclSuccess;
    return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
    depth++;
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
    if (--depth == 0) run_group();
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t comm, cudaStream_t stream) {
    if (type != ncclFloat32 || (operation != ncclSum && operation != ncclAvg) || stream == nullptr)
        return ncclInvalidArgument;
    counts.bytes += static_cast<long>(count * sizeof(float));
    group = comm;
    queued.push_back({static_cast<const float*>(from), static_cast<float*>(to), count, operation == ncclAvg});
    if (depth == 0) run_group();
    return ncclSuccess;
}

ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
    if (type != ncclFloat32 || stream == nullptr || count * sizeof(float) > kPieceBytes) return ncclInvalidArgument;
    counts.gathers++;
    std::memcpy(piece(comm, comm->rank), from, count * sizeof(float));
    meet(comm);
    for (int rank = 0; rank < comm->count; rank++)
        std::memcpy(static_cast<float*>(to) + rank * count, piece(comm, rank), count * sizeof(float));
    meet(comm);
    return ncclSuccess;
}

// Launches of reductions, their bytes, and gathers, since the library was loaded.
void stand_in_counts(long* found) {
    found[0] = counts.launches, found[1] = counts.bytes, found[2] = counts.gathers;
}

}  // extern "C"
