// The k nearest rows of each query among the rows of a bank, by cosine similarity, to the place what
// evaluate/neighbour_tiles finds on the processor. Called from Python, without Jittor.
//
// A search holds some queries on the device with their nearest rows so far, and takes the bank block by block, from
// memory that is pinned: while the device works on one block, the host fills the next.
#pragma once

#include <cstdint>

extern "C" {

// Memory for a search, or null. k at most 1024, block_rows a multiple of 64.
//   queries     most queries that are held
//   block_rows  most rows of a block, and of queries that are added at once
//   tile        queries of one product
//   centre      (channels) on the host: the nearer to the rows, the less is rounded; what it is changes no neighbour
void* hssl_device_neighbours_open(long channels, long k, long queries, long block_rows, long tile,
                                  const float* centre);

// Pinned (block_rows, channels) of slot 0 or 1, to be filled; waits until what was in it has been uploaded. null: it
// failed.
float* hssl_device_neighbours_rows(void* search, long slot);

// Likewise pinned (block_rows): the numbers of a block's rows, ascending, below 2^32 - 1.
std::uint32_t* hssl_device_neighbours_numbers(void* search, long slot);

// The first `count` rows in a slot are further queries. Returns 0, or 1 if it failed.
int hssl_device_neighbours_add_queries(void* search, long slot, long count);

// The first `count` rows in a slot, with their numbers, are a block of the bank. Returns 0, or 1 if it failed.
int hssl_device_neighbours_search(void* search, long slot, long count);

// found (queries that were added, k), the nearest first: the bits of a similarity, order-preserving, above those of
// the row's number inverted; 0: fewer rows were searched. Returns 0, 1 if it failed, 2 if a row was not finite.
int hssl_device_neighbours_best(void* search, std::uint64_t* found);

// How many rows were summed exactly, for all queries together; -1 if it failed. The fewer, the more the estimates tell.
long hssl_device_neighbours_summed(void* search);

void hssl_device_neighbours_close(void* search);

// Why the last call of this thread failed.
const char* hssl_device_neighbours_problem();
}
