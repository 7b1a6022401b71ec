// Builds the tree of points.
#include "tree.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace {

struct Entry {
    uint64_t key;
    int32_t row;
};

enum { DIGIT = 12, BUCKETS = 1 << DIGIT, PASSES = 4 };

// 16 bits → every third of 48.
uint64_t spread(float value) {
    uint64_t v = value > 0 ? (value < 65535.0f ? (uint64_t)value : 65535) : 0;
    v = (v | v << 16) & 0x0000ff0000ffull;
    v = (v | v << 8) & 0x00f00f00f00full;
    v = (v | v << 4) & 0x0c30c30c30c3ull;
    return (v | v << 2) & 0x249249249249ull;
}

// Stable, from the last digit to the first.
void sort_entries(std::vector<Entry>& entries) {
    std::vector<Entry> other(entries.size());
    std::vector<int64_t> begin(BUCKETS + 1);
    for (int pass = 0; pass < PASSES; pass++) {
        const int shift = pass * DIGIT;
        std::fill(begin.begin(), begin.end(), 0);
        for (const Entry& one : entries) begin[(size_t)((one.key >> shift) & (BUCKETS - 1)) + 1]++;
        for (size_t i = 1; i <= BUCKETS; i++) begin[i] += begin[i - 1];
        for (const Entry& one : entries) other[(size_t)begin[(size_t)((one.key >> shift) & (BUCKETS - 1))]++] = one;
        entries.swap(other);
    }
}

void make_room(Level& level, int64_t nodes) {
    level.nodes = nodes;
    const size_t room = (size_t)((nodes + FAN - 1) / FAN * FAN);
    for (int axis = 0; axis < 3; axis++) {
        level.low[axis].assign(room, INFINITY);
        level.high[axis].assign(room, -INFINITY);
    }
    level.first.assign(room, INT32_MAX);
}

}  // namespace

bool ppkt_measurable(const float* numbers, int64_t count) {
    // As whole numbers magnitudes have the same order, and NaN stands above infinity.
    int32_t largest = 0, limit;
    const float reach = 1e18f;
    memcpy(&limit, &reach, 4);
    for (int64_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, numbers + i, 4);
        bits &= INT32_MAX;
        largest = bits > largest ? bits : largest;
    }
    return largest <= limit;
}

bool ppkt_too_large(const int64_t* starts, int64_t clouds) {
    for (int64_t i = 0; i < clouds; i++)
        if (starts[i + 1] - starts[i] >= INT32_MAX - LEAF) return true;
    return false;
}

void Tree::build(const float* xyz, int64_t points) {
    count = points;
    leaves = (count + LEAF - 1) / LEAF;
    levels.clear();
    if (count == 0) return;
    for (int axis = 0; axis < 3; axis++) low[axis] = high[axis] = xyz[axis];
    for (int64_t i = 0; i < count; i++)
        for (int axis = 0; axis < 3; axis++) {
            low[axis] = smaller(low[axis], xyz[i * 3 + axis]);
            high[axis] = larger(high[axis], xyz[i * 3 + axis]);
        }
    // One scale for all axes: the cells are cubes.
    const float extent = larger(larger(high[0] - low[0], high[1] - low[1]), high[2] - low[2]);
    const float scale = 65535.0f / larger(extent, 1e-30f);
    std::vector<Entry> entries((size_t)count);
    for (int64_t i = 0; i < count; i++) {
        const float* p = xyz + i * 3;
        entries[(size_t)i].key = spread((p[0] - low[0]) * scale) << 2 | spread((p[1] - low[1]) * scale) << 1 |
                                 spread((p[2] - low[2]) * scale);
        entries[(size_t)i].row = (int32_t)i;
    }
    if (count > LEAF) sort_entries(entries);
    row.assign((size_t)(leaves * LEAF), INT32_MAX);
    for (std::vector<float>& one : at) one.assign((size_t)(leaves * LEAF), INFINITY);
    levels.emplace_back();
    make_room(levels[0], leaves);
    for (int64_t i = 0; i < count; i++) {
        const int32_t from = entries[(size_t)i].row;
        const size_t leaf = (size_t)(i / LEAF);
        row[(size_t)i] = from;
        Level& here = levels[0];
        here.first[leaf] = from < here.first[leaf] ? from : here.first[leaf];
        for (int axis = 0; axis < 3; axis++) {
            const float value = xyz[(int64_t)from * 3 + axis];
            at[axis][(size_t)i] = value;
            here.low[axis][leaf] = smaller(here.low[axis][leaf], value);
            here.high[axis][leaf] = larger(here.high[axis][leaf], value);
        }
    }
    while (levels.back().nodes > FAN) {
        Level above;
        const Level& below = levels.back();
        make_room(above, (below.nodes + FAN - 1) / FAN);
        for (size_t i = 0; i < (size_t)below.nodes; i++) {
            const size_t to = i / FAN;
            above.first[to] = below.first[i] < above.first[to] ? below.first[i] : above.first[to];
            for (int axis = 0; axis < 3; axis++) {
                above.low[axis][to] = smaller(above.low[axis][to], below.low[axis][i]);
                above.high[axis][to] = larger(above.high[axis][to], below.high[axis][i]);
            }
        }
        levels.push_back(std::move(above));
    }
}
