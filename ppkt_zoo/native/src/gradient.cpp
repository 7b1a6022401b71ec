// The gradient of a sparse convolution's weight: an outer product, summed over the pairs of rows that meet. Compiled
// once per instruction set (ISA names it); see vectors.h. Processors that have tiles use those for bfloat16: tiles.h.
#include "level.h"
#include "parallel.h"
#include "tiles.h"
#include "vectors.h"

namespace {

struct Weight {
    const void* in;
    int64_t c;
    const void* grad;
    int64_t n;
    const int64_t* start;
    const int32_t* partner;
    const uint8_t* local;
    int64_t offsets, rows;
    int flip;
    float* total;
    int64_t stripes, groups;  // the runs of tiles and of offsets that are tasks of their own
};

// Copies a row, as float32, with zeros up to `width`.
INLINE void gather(const float* from, int64_t count, float* to, int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    for (; i < count; i++) to[i] = from[i];
    for (; i < width; i++) to[i] = 0.0f;
}
INLINE void gather(const bf16* from, int64_t count, float* to, int64_t width) {
    for (int64_t i = 0; i < count; i++) to[i] = wide(from[i]);
    for (int64_t i = count; i < width; i++) to[i] = 0.0f;
}

// total[R rows][V vectors] = [total] + the sum over n pairs of g[.][R] * x[.][V vectors]
template <int R, int V>
INLINE void outer(const float* g, int64_t ldg, const float* x, int64_t ldx, int64_t n, bool fresh, float* total,
                  int64_t ldt) {
    vec acc[R][V];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) acc[r][v] = fresh ? vec{} : load(total + r * ldt + v * LANES);
    for (int64_t p = 0; p < n; p++, g += ldg, x += ldx) {
        vec b[V];
        for (int v = 0; v < V; v++) b[v] = load(x + v * LANES);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) acc[r][v] += g[r] * b[v];
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(total + r * ldt + v * LANES, acc[r][v]);
}

template <int V>
void outers(const float* g, int64_t rows, const float* x, int64_t ldx, int64_t n, bool fresh, float* total,
            int64_t ldt) {
    enum { R = ROWS * VECS / V > 8 ? 8 : ROWS * VECS / V };
    int64_t r = 0;
    for (; r + R <= rows; r += R) outer<R, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
    for (; r + 2 <= rows; r += 2) outer<2, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
    for (; r < rows; r++) outer<1, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
}

// total (rows, channels) = [total] + gᵀ · x for n gathered pairs, g (n, rows) and x (n, channels in whole vectors).
void outer_rows(const float* g, int64_t rows, const float* x, int64_t channels, int64_t n, bool fresh, float* total,
                int64_t ldt) {
    const Panels panels = Panels::of(channels);
    for (int64_t p = 0; p < panels.count; p++) {
        const int64_t column = panels.start(p) * LANES;
        for_vectors(panels.vecs(p), [&](auto vectors) {
            outers<decltype(vectors)::COUNT>(g, rows, x + column, padded(channels), n, fresh, total + column, ldt);
        });
    }
}

enum { GROUP_BYTES = 1 << 18, RUN_BYTES = 1 << 16, RUN = 96, SPAN = 4 };

// Pairs at a time, whose rows stay in the first-level cache while every register tile walks them.
INLINE int64_t weight_run(int64_t channels) {
    const int64_t fit = RUN_BYTES / (channels * 4);
    return fit < 16 ? 16 : least(fit, RUN);
}

// Pairs that wait to be multiplied: their rows, as float32, side by side.
template <class T> struct GatheredRun {
    float *x, *g;
    int64_t channels, outputs, most, count;

    INLINE int64_t bytes(int64_t n, int64_t c) { return weight_run(n + c) * (padded(c) + n) * 4; }
    INLINE void end() {}
    INLINE GatheredRun in(void* room, int64_t n, int64_t c, int64_t most) {
        return GatheredRun{(float*)room, (float*)room + most * padded(c), c, n, most, 0};
    }
    bool take(const T* grad, const T* in) {
        gather(grad, outputs, g + count * outputs, outputs);
        gather(in, channels, x + count * padded(channels), padded(channels));
        return ++count == most;
    }
    void multiply(float* to, int64_t ld, bool fresh) {
        outer_rows(g, outputs, x, channels, count, fresh, to, ld);
        count = 0;
    }
};

template <class T> struct Runs { typedef GatheredRun<T> type; };
#if defined(__AMX_BF16__)
template <> struct Runs<bf16> { typedef TileRun type; };
#endif

// Where the gradient at one offset lies in the result, rows f.offsets * f.c apart.
INLINE float* weight_place(const Weight& f, int64_t stripe, int64_t offset) {
    const int64_t place = f.flip ? f.offsets - 1 - offset : offset;
    return f.total + (stripe * f.n * f.offsets + place) * f.c;
}

// Few rows, one tile, go to their place at once: then output channels are the tasks, whose sums lie together there.
enum { CHANNELS = 24 };
INLINE bool in_place(const Weight& f) { return f.c % LANES == 0 && f.rows <= TILE; }

// Some offsets over one stripe of tiles. Tiles come first: their rows stay in the cache while all offsets read them.
template <class T> void weight_task(const void* state, int64_t task, void* room) {
    const Weight& f = *(const Weight*)state;
    const bool direct = in_place(f);
    const int64_t group = task / f.stripes, stripe = task % f.stripes;
    const int64_t o0 = direct ? 0 : f.offsets * group / f.groups;
    const int64_t o1 = direct ? f.offsets : f.offsets * (group + 1) / f.groups;
    const int64_t n0 = direct ? group * CHANNELS : 0, n1 = direct ? least(f.n, n0 + CHANNELS) : f.n;
    const int64_t tiles = (f.rows + TILE - 1) / TILE, wide_c = padded(f.c), size = f.n * wide_c;
    const int64_t ld = direct ? f.offsets * f.c : wide_c;
    typedef typename Runs<T>::type Run;
    Run run = Run::in(room, n1 - n0, f.c, weight_run(f.n + f.c));
    float* const sums = (float*)((char*)room + Run::bytes(f.n, f.c));
    uint8_t* const begun = (uint8_t*)(sums + (direct ? 0 : (o1 - o0) * size));
    memset(begun, 0, (size_t)(o1 - o0));
    const int64_t end = tiles * (stripe + 1) / f.stripes;
    for (int64_t first = tiles * stripe / f.stripes; first < end; first += SPAN)
        for (int64_t o = o0; o < o1; o++) {
            float* const to = direct ? weight_place(f, stripe, o) + n0 * ld : sums + (o - o0) * size;
            for (int64_t tile = first; tile < least(end, first + SPAN); tile++) {
                const T* grad = (const T*)f.grad + tile * TILE * f.n + n0;
                const int64_t stop = f.start[tile * f.offsets + o + 1];
                for (int64_t q = f.start[tile * f.offsets + o]; q < stop; q++) {
                    if (!run.take(grad + f.local[q] * f.n, (const T*)f.in + f.partner[q] * f.c)) continue;
                    run.multiply(to, ld, !begun[o - o0]);
                    begun[o - o0] = 1;
                }
            }
            if (!run.count) continue;
            run.multiply(to, ld, !begun[o - o0]);
            begun[o - o0] = 1;
        }
    run.end();
    for (int64_t o = o0; o < o1; o++) {
        if (direct && begun[o - o0]) continue;
        float* to = weight_place(f, stripe, o) + n0 * f.offsets * f.c;
        for (int64_t n = n0; n < n1; n++, to += f.offsets * f.c)
            if (begun[o - o0])
                memcpy(to, sums + (o - o0) * size + n * wide_c, (size_t)f.c * 4);
            else
                memset(to, 0, (size_t)f.c * 4);
    }
}

void weight_sum(const void* state, int64_t n, void*) {
    const Weight& f = *(const Weight*)state;
    const int64_t row = f.offsets * f.c;
    float* to = f.total + n * row;
    for (int64_t s = 1; s < f.stripes; s++)
        for (int64_t i = 0; i < row; i++) to[i] += to[s * f.n * row + i];
}

}  // namespace

// total (stripes, N, K, C), whose first part is the gradient of the canonical weight in the end. The sums depend on the
// number of stripes, never on the number of threads.
PPKT_EXPORT int NAME(weight)(const void* in, int64_t c, const void* grad, int64_t n, const int64_t* start,
                             const int32_t* partner, const uint8_t* local, int64_t offsets, int64_t rows,
                             int flip, float* total, int64_t stripes, int half, int threads) {
    Weight f{in, c, grad, n, start, partner, local, offsets, rows, flip, total, stripes, 1};
    int64_t room = (half ? Runs<bf16>::type::bytes(n, c) : Runs<float>::type::bytes(n, c)) + offsets;
    if (in_place(f)) {
        f.stripes = stripes = 1;
        f.groups = (n + CHANNELS - 1) / CHANNELS;
    } else {
        // Sums of a group stay in the second-level cache; with one stripe the offsets are all there is to share out.
        const int64_t bytes = n * padded(c) * 4, fit = bytes < GROUP_BYTES ? GROUP_BYTES / bytes : 1;
        f.groups = stripes == 1 ? offsets : least(offsets, (offsets + fit - 1) / fit + 2);
        room += (offsets + f.groups - 1) / f.groups * bytes;
    }
    const int error =
        ppkt_run(threads, f.groups * stripes, room, half ? weight_task<bf16> : weight_task<float>, &f);
    if (error || stripes == 1) return error;
    return ppkt_run(threads, n, 0, weight_sum, &f);
}
