// Points to voxels: distinct cells in rising order, which of them each point lies in, and sums of colours.
//
// Nothing is sorted. Every cell of the grid has a number, and a cell's rank among the occupied ones is counted from bits:
// `top` has a bit for every 512 cells of which one is occupied, `leaf` 512 bits for each of those. Bits and sums of whole
// numbers do not depend on the order in which threads set and add them. Compiled once per instruction set (ISA names it).
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "level.h"
#include "parallel.h"

namespace {

enum {
    BLOCK = 1 << 14,   // points of one task
    AHEAD = 64,        // points whose memory is asked for before it is needed
    WORDS = 1 << 10,   // words of `top` of one task
    CELLS = 512,       // cells of a leaf
    LEAF = CELLS / 64  // words of a leaf
};
// So many colours of 255 fit the 32 bits of a sum.
const uint64_t MOST_SUMMED = 1 << 24;

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Array = std::unique_ptr<T[], Free>;

// Zeros that take no memory before they are written.
template <class T>
Array<T> zeros(int64_t count) {
    T* memory = (T*)std::calloc((size_t)(count > 0 ? count : 1), sizeof(T));
    if (!memory) throw std::bad_alloc();
    return Array<T>(memory);
}

struct Sum {
    uint64_t count_red, green_blue;  // two numbers of 32 bits each, the first one low
};

struct Voxels {
    int64_t points, words, leaves = 0, voxels = 0;
    int64_t lengths[3];
    Array<uint64_t> top, leaf;
    Array<uint32_t> above, before;  // leaves before each word of `top`, voxels before each leaf
    Array<Sum> sums;
};

struct Task {
    Voxels* made;
    const float* xyz;
    const uint8_t* rgb;
    const int64_t* ends;  // where each cloud ends among the points
    int64_t clouds;
    const double* corners;
    double edge;
    int64_t* inverse;
    bool shared;
    int error;
};

inline int ones(uint64_t word) { return __builtin_popcountll(word); }

inline void set_bit(uint64_t& word, uint64_t bit, bool shared) {
    if (!shared) word |= bit;
    else if (!(__atomic_load_n(&word, __ATOMIC_RELAXED) & bit)) __atomic_fetch_or(&word, bit, __ATOMIC_RELAXED);
}

inline void add(uint64_t& sum, uint64_t value, bool shared) {
    if (shared) __atomic_fetch_add(&sum, value, __ATOMIC_RELAXED);
    else sum += value;
}

inline int64_t end_of(const Task& t, int64_t block) {
    const int64_t end = (block + 1) * BLOCK;
    return end < t.made->points ? end : t.made->points;
}

// Each point's cell, by its number.
void number_cells(Task& t, int64_t block) {
    Voxels& v = *t.made;
    const double nx = (double)v.lengths[0], ny = (double)v.lengths[1], nz = (double)v.lengths[2], edge = t.edge;
    const int64_t end = end_of(t, block);
    double corner[3 * AHEAD], cell[3 * AHEAD];
    int64_t cloud = -1, i = block * BLOCK;
    while (i < end) {
        if (cloud < 0 || i >= t.ends[cloud]) {
            do cloud++;
            while (i >= t.ends[cloud]);
            for (int k = 0; k < 3 * AHEAD; k++) corner[k] = t.corners[3 * cloud + k % 3];
        }
        int64_t last = end < t.ends[cloud] ? end : t.ends[cloud];
        if (last > i + AHEAD) last = i + AHEAD;
        const float* p = t.xyz + 3 * i;
        for (int64_t k = 0; k < 3 * (last - i); k++) cell[k] = std::floor(((double)p[k] - corner[k]) / edge);
        for (int64_t j = i; j < last; j++) {
            const double x = cell[3 * (j - i)], y = cell[3 * (j - i) + 1], z = cell[3 * (j - i) + 2];
            // NaN fails this too.
            if (!(x >= 0 && x < nx && y >= 0 && y < ny && z >= 0 && z < nz)) {
                __atomic_store_n(&t.error, (int)PPKT_BAD_INDEX, __ATOMIC_RELAXED);
                return;
            }
            const int64_t slab = cloud * v.lengths[0] + (int64_t)x;
            const int64_t key = (slab * v.lengths[1] + (int64_t)y) * v.lengths[2] + (int64_t)z;
            t.inverse[j] = key;
            set_bit(v.top[(size_t)(key / CELLS / 64)], 1ull << (key / CELLS % 64), t.shared);
        }
        i = last;
    }
}

// Cells by the number of their leaf instead.
void fill_leaves(Task& t, int64_t block) {
    Voxels& v = *t.made;
    for (int64_t i = block * BLOCK; i < end_of(t, block); i += AHEAD) {
        const int64_t last = i + AHEAD < end_of(t, block) ? i + AHEAD : end_of(t, block);
        for (int64_t j = i; j < last; j++) {
            const int64_t key = t.inverse[j], word = key / CELLS / 64;
            const uint64_t lower = v.top[(size_t)word] & ((1ull << (key / CELLS % 64)) - 1);
            t.inverse[j] = (int64_t)(v.above[(size_t)word] + (uint32_t)ones(lower)) * CELLS + key % CELLS;
            __builtin_prefetch(&v.leaf[(size_t)(t.inverse[j] / 64)], 1);
        }
        for (int64_t j = i; j < last; j++)
            set_bit(v.leaf[(size_t)(t.inverse[j] / 64)], 1ull << (t.inverse[j] % 64), t.shared);
    }
}

void rank_and_add(Task& t, int64_t block) {
    Voxels& v = *t.made;
    for (int64_t i = block * BLOCK; i < end_of(t, block); i += AHEAD) {
        const int64_t last = i + AHEAD < end_of(t, block) ? i + AHEAD : end_of(t, block);
        for (int64_t j = i; j < last; j++) {
            __builtin_prefetch(&v.leaf[(size_t)(t.inverse[j] / CELLS * LEAF)]);
            __builtin_prefetch(&v.before[(size_t)(t.inverse[j] / CELLS)]);
        }
        for (int64_t j = i; j < last; j++) {
            const int64_t at = t.inverse[j];
            const uint64_t* leaf = &v.leaf[(size_t)(at / CELLS * LEAF)];
            const int word = (int)(at % CELLS / 64);
            int rank = ones(leaf[word] & ((1ull << (at % 64)) - 1));
            for (int k = 0; k < word; k++) rank += ones(leaf[k]);
            t.inverse[j] = (int64_t)v.before[(size_t)(at / CELLS)] + rank;
            if (t.rgb) __builtin_prefetch(&v.sums[(size_t)t.inverse[j]], 1);
        }
        if (t.rgb)
            for (int64_t j = i; j < last; j++) {
                const uint8_t* c = t.rgb + 3 * j;
                Sum& sum = v.sums[(size_t)t.inverse[j]];
                add(sum.count_red, 1 | (uint64_t)c[0] << 32, t.shared);
                add(sum.green_blue, c[1] | (uint64_t)c[2] << 32, t.shared);
            }
    }
}

struct Call {
    Task* task;
    void (*work)(Task&, int64_t);
};

void do_block(const void* state, int64_t block, void*) {
    const Call& call = *(const Call*)state;
    if (!__atomic_load_n(&call.task->error, __ATOMIC_RELAXED)) call.work(*call.task, block);
}

struct Take {
    const Voxels* made;
    int32_t* coords;
    float* features;
    const int32_t* channels;
    int64_t channel_count;
    double low, high;
};

// What the torch path does, in the same order, each step rounded on its own.
inline float color(uint32_t sum, uint32_t count, double low, double high) {
    volatile double scaled = (double)sum / (double)count / 255.0 * (high - low);  // or it would be fused with the sum
    return (float)(scaled + low);
}

void take_words(const void* state, int64_t task, void*) {
    const Take& t = *(const Take*)state;
    const Voxels& v = *t.made;
    const int64_t *length = v.lengths, end = (task + 1) * WORDS < v.words ? (task + 1) * WORDS : v.words;
    int64_t cloud = 0, x = 0, y = 0, z = INT64_MAX / 2, last = 0;
    for (int64_t word = task * WORDS; word < end; word++) {
        int64_t leaf = v.above[(size_t)word];
        for (uint64_t groups = v.top[(size_t)word]; groups; groups &= groups - 1, leaf++) {
            const int64_t first = (word * 64 + __builtin_ctzll(groups)) * CELLS;
            int64_t row = v.before[(size_t)leaf];
            for (int part = 0; part < LEAF; part++)
                for (uint64_t bits = v.leaf[(size_t)(leaf * LEAF + part)]; bits; bits &= bits - 1, row++) {
                    const int64_t key = first + part * 64 + __builtin_ctzll(bits);
                    z += key - last;
                    last = key;
                    if (z >= length[2]) {
                        z = key % length[2];
                        const int64_t column = key / length[2], slab = column / length[1];
                        y = column % length[1], x = slab % length[0], cloud = slab / length[0];
                    }
                    int32_t* to = t.coords + 4 * row;
                    to[0] = (int32_t)cloud, to[1] = (int32_t)x, to[2] = (int32_t)y, to[3] = (int32_t)z;
                    for (int64_t c = 0; c < t.channel_count; c++) {
                        const int32_t which = t.channels[c];
                        if (which < 0) continue;
                        const Sum& sum = v.sums[(size_t)row];
                        const uint64_t pair = which ? sum.green_blue : sum.count_red;
                        const uint32_t total = (uint32_t)(which == 1 ? pair : pair >> 32);
                        t.features[row * t.channel_count + c] = color(total, (uint32_t)sum.count_red, t.low, t.high);
                    }
                }
        }
    }
}

}  // namespace

// Voxels of a batch of clouds: the points of cloud b end at ends[b], its smallest corner is corners[3 b ...]; the grid has
// lengths[0] * lengths[1] * lengths[2] cells of this edge for each cloud. `inverse` gets each point's voxel; what was
// made is handed to voxels_take. PPKT_TOO_LARGE where a sum of colours might not fit.
PPKT_EXPORT int NAME(voxels)(const float* xyz, const uint8_t* rgb, const int64_t* ends, int64_t clouds,
                            const double* corners, double edge, const int64_t* lengths, int threads, int64_t* inverse,
                            void** made, int64_t* voxels) {
    *made = nullptr;
    const int64_t points = clouds > 0 ? ends[clouds - 1] : 0;
    if (points >= INT32_MAX) return PPKT_TOO_LARGE;
    try {
        std::unique_ptr<Voxels> v(new Voxels);
        v->points = points;
        memcpy(v->lengths, lengths, sizeof v->lengths);
        const int64_t cells = clouds * lengths[0] * lengths[1] * lengths[2];
        v->words = cells / CELLS / 64 + 1;
        v->top = zeros<uint64_t>(v->words);
        v->above = zeros<uint32_t>(v->words);
        Task task{v.get(), xyz, rgb, ends, clouds, corners, edge, inverse, threads > 1, 0};
        const int64_t blocks = (points + BLOCK - 1) / BLOCK;
        const Call first{&task, number_cells}, second{&task, fill_leaves}, third{&task, rank_and_add};
        int error = ppkt_run(threads, blocks, 0, do_block, &first);
        if (error || task.error) return error ? error : task.error;
        for (int64_t word = 0; word < v->words; word++) {
            v->above[(size_t)word] = (uint32_t)v->leaves;
            v->leaves += ones(v->top[(size_t)word]);
        }
        v->leaf = zeros<uint64_t>(v->leaves * LEAF);
        v->before = zeros<uint32_t>(v->leaves);
        error = ppkt_run(threads, blocks, 0, do_block, &second);
        if (error) return error;
        for (int64_t leaf = 0; leaf < v->leaves; leaf++) {
            v->before[(size_t)leaf] = (uint32_t)v->voxels;
            for (int k = 0; k < LEAF; k++) v->voxels += ones(v->leaf[(size_t)(leaf * LEAF + k)]);
        }
        if (rgb) v->sums = zeros<Sum>(v->voxels);
        error = ppkt_run(threads, blocks, 0, do_block, &third);
        if (error) return error;
        if (rgb && (uint64_t)points > MOST_SUMMED)
            for (int64_t row = 0; row < v->voxels; row++)
                if ((uint32_t)v->sums[(size_t)row].count_red > MOST_SUMMED) return PPKT_TOO_LARGE;
        *voxels = v->voxels;
        *made = v.release();
        return PPKT_OK;
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}

// Writes coords (voxels, 4) as (cloud, x, y, z) and features (voxels, channel_count), and frees what was made. A channel
// is 0, 1, 2 for red, green, blue: their mean in [low, high]; or -1: it is left as it is. Without features it only frees.
PPKT_EXPORT int NAME(voxels_take)(void* made, int32_t* coords, float* features, const int32_t* channels,
                                 int64_t channel_count, double low, double high, int threads) {
    std::unique_ptr<Voxels> v((Voxels*)made);
    if (!coords) return PPKT_OK;
    if (!v->sums)
        for (int64_t c = 0; c < channel_count; c++)
            if (channels[c] >= 0) return PPKT_BAD_INDEX;
    const Take take{v.get(), coords, features, channels, channel_count, low, high};
    return ppkt_run(threads, (v->words + WORDS - 1) / WORDS, 0, take_words, &take);
}
