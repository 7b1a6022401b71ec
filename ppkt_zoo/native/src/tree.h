// Points sorted along a curve that fills space, in leaves of 32, under boxes in groups of 8.
//
// Bounds are computed by the very operations that distances are computed by. Rounding is monotonic, so the bound of a
// box is never above the rounded distance of a point in it: pruning never changes a result, not even its last bit.
// That asks for products and sums that are rounded one by one: compile with -ffp-contract=off.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "parallel.h"

using std::size_t;

enum { LEAF = 32, FAN = 8 };

typedef float vec4 __attribute__((vector_size(16)));
typedef int32_t int4 __attribute__((vector_size(16)));

static inline float larger(float a, float b) { return a > b ? a : b; }
static inline float smaller(float a, float b) { return a < b ? a : b; }

// The boxes of one level; room for a multiple of 8, the last ones empty.
struct Level {
    int64_t nodes;
    std::vector<float> low[3], high[3];
    std::vector<int32_t> first;  // the smallest row below
};

struct Tree {
    int64_t count = 0, leaves = 0;
    std::vector<float> at[3];  // x, y, z; infinite behind the last point
    std::vector<int32_t> row;
    std::vector<Level> levels;  // leaves first; at most 8 nodes in the last one
    float low[3], high[3];

    // Builds the tree of `count` points (x, y, z). Throws std::bad_alloc.
    void build(const float* xyz, int64_t count);
    int top() const { return (int)levels.size() - 1; }
    // Squared distances of a place to the boxes of a group.
    inline void bounds(int level, int64_t group, const float* place, float* out) const;
    // Squared distances of a place to the points of a leaf.
    inline void distances(int64_t leaf, const float* place, float* out) const;
};

inline void Tree::bounds(int level, int64_t group, const float* place, float* out) const {
    const Level& here = levels[(size_t)level];
    for (int axis = 0; axis < 3; axis++) {
        const float *low = here.low[axis].data() + group * FAN, *high = here.high[axis].data() + group * FAN;
        const float p = place[axis];
        for (int i = 0; i < FAN; i++) {
            const float gap = larger(larger(low[i] - p, p - high[i]), 0.0f);
            out[i] = axis ? out[i] + gap * gap : gap * gap;
        }
    }
}

inline void Tree::distances(int64_t leaf, const float* place, float* out) const {
    const float *x = at[0].data() + leaf * LEAF, *y = at[1].data() + leaf * LEAF, *z = at[2].data() + leaf * LEAF;
    for (int i = 0; i < LEAF; i++) {
        const float a = x[i] - place[0], b = y[i] - place[1], c = z[i] - place[2];
        out[i] = a * a + b * b + c * c;
    }
}

// Whether all numbers are finite and so small that squared distances are too.
bool ppkt_measurable(const float* numbers, int64_t count);

// Whether a cloud has more rows than an int32 can number.
bool ppkt_too_large(const int64_t* starts, int64_t clouds);

// Runs a function for each number below `tasks` on several threads; std::bad_alloc becomes an error number.
template <class Body>
int ppkt_run_each(int threads, int64_t tasks, const Body& body) {
    struct Call {
        const Body* body;
        std::atomic<int> error;
    } call{&body, {PPKT_OK}};
    const int error = ppkt_run(
        threads, tasks, 0,
        [](const void* state, int64_t task, void*) {
            Call& call = *(Call*)const_cast<void*>(state);
            if (call.error) return;
            try {
                (*call.body)(task);
            } catch (const std::bad_alloc&) {
                call.error = PPKT_NO_MEMORY;
            }
        },
        &call);
    return error ? error : call.error.load();
}
