// Weighted sums of rows, and their gradient. Each product and each sum is rounded by itself, in the order of the
// columns: the numbers are those of PyTorch's operations one after the other.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "parallel.h"

namespace {

enum { ROWS = 256, SLICE = 32 };  // targets, or channels, of one task

struct Task {
    const float* from;
    int64_t sources, channels;
    const int64_t* rows;
    const float* weights;
    int64_t targets, columns;
    float* out;
    mutable std::atomic<int> error;
};

inline bool bad(const Task& t, int64_t row) {
    if (row >= 0 && row < t.sources) return false;
    t.error = PPKT_BAD_INDEX;
    return true;
}

void sum_rows(const void* state, int64_t task, void*) {
    const Task& t = *(const Task*)state;
    for (int64_t i = task * ROWS; i < std::min((task + 1) * ROWS, t.targets); i++) {
        float* __restrict to = t.out + i * t.channels;
        memset(to, 0, (size_t)t.channels * sizeof(float));
        for (int64_t k = i * t.columns; k < (i + 1) * t.columns; k++) {
            if (bad(t, t.rows[k])) return;
            const float* __restrict from = t.from + t.rows[k] * t.channels;
            const float weight = t.weights[k];
            for (int64_t c = 0; c < t.channels; c++) to[c] += from[c] * weight;
        }
    }
}

// A task owns some channels of all sources, so sums have one order on any number of threads.
void spread_rows(const void* state, int64_t task, void*) {
    const Task& t = *(const Task*)state;
    const int64_t begin = task * SLICE, size = std::min<int64_t>(SLICE, t.channels - begin);
    for (int64_t s = 0; s < t.sources; s++) memset(t.out + s * t.channels + begin, 0, (size_t)size * sizeof(float));
    for (int64_t i = 0; i < t.targets; i++) {
        const float* __restrict from = t.from + i * t.channels + begin;
        for (int64_t k = i * t.columns; k < (i + 1) * t.columns; k++) {
            if (bad(t, t.rows[k])) return;
            float* __restrict to = t.out + t.rows[k] * t.channels + begin;
            const float weight = t.weights[k];
            for (int64_t c = 0; c < size; c++) to[c] += from[c] * weight;
        }
    }
}

}  // namespace

// out (targets, channels): the sum over columns of weights[target, column] * from[rows[target, column]].
PPKT_EXPORT int ppkt_interpolate(const float* from, int64_t sources, int64_t channels, const int64_t* rows,
                                 const float* weights, int64_t targets, int64_t columns, float* out, int threads) {
    const Task task{from, sources, channels, rows, weights, targets, columns, out, {PPKT_OK}};
    const int error = ppkt_run(threads, (targets + ROWS - 1) / ROWS, 0, sum_rows, &task);
    return error ? error : task.error.load();
}

// The way back: out (sources, channels) is the sum of weights[target, column] * from[target] over all that name it.
PPKT_EXPORT int ppkt_interpolate_back(const float* from, int64_t sources, int64_t channels, const int64_t* rows,
                                      const float* weights, int64_t targets, int64_t columns, float* out,
                                      int threads) {
    const Task task{from, sources, channels, rows, weights, targets, columns, out, {PPKT_OK}};
    const int error = ppkt_run(threads, (channels + SLICE - 1) / SLICE, 0, spread_rows, &task);
    return error ? error : task.error.load();
}
