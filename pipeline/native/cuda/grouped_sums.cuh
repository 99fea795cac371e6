// Sums of rows by key: what scatters gradients back to the rows that were read, in a fixed order.
#pragma once

#include "scratch.cuh"

namespace hssl {

// Raises where numbers of entries or groups do not fit into an int.
void check_entries(long groups, long entries);

// starts (groups + 1): where each group begins in ascending `keys`.
void group_starts(long groups, long entries, const int* keys, int* starts);

// The entries in ascending order of their keys; where keys are equal, in ascending order. Keys outside of
// 0..groups-1 count as `groups`: they come last.
struct SortedEntries {
    const int* keys;
    const int* entries;
};
SortedEntries sort_entries(long groups, long entries, const int* keys, Scratch& scratch);

// out (groups, channels): the sum over the entries e of a group, keys[e] = group, of weights[e] (1 where null) times
// row e / entries_per_row of `values`; zeros for a group without entries. Keys outside of 0..groups-1 are of no
// group.
void grouped_sums(long groups, long channels, long entries, const int* keys, const float* weights,
                  long entries_per_row, const float* values, float* out, Scratch& scratch);

}  // namespace hssl
