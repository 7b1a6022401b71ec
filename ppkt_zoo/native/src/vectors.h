// Vectors of the instruction set that a source is compiled for, and the order in which packed weights lie.
//
// Each source that includes this is compiled for several instruction sets, and the objects are linked together: nothing
// may be shared between them. So everything is in an anonymous namespace, and no template of the standard library is
// used (the linker would keep one copy of it, perhaps the one with instructions that the processor lacks).
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "numbers.h"

namespace {

// Numbers of a vector, vectors of a panel, pairs of a register tile of a whole panel.
#if defined(__AVX512F__) || defined(PPKT_WIDE)  // PPKT_WIDE: to test these sizes on a processor without AVX-512
enum { LANES = 16, VECS = 4, ROWS = 6 };
#elif defined(__AVX__)
enum { LANES = 8, VECS = 2, ROWS = 6 };
#elif defined(__aarch64__)
enum { LANES = 4, VECS = 4, ROWS = 6 };  // 32 registers
#else
enum { LANES = 4, VECS = 2, ROWS = 6 };
#endif
enum { TILE = 256, PANEL = LANES * VECS };

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4)));
typedef uint32_t bits __attribute__((vector_size(LANES * 4)));
typedef uint32_t loose_bits __attribute__((vector_size(LANES * 4), aligned(4)));

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t padded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }
INLINE vec load(const float* from) { return (vec)(*(const loose*)from); }
INLINE void store(float* to, vec value) { *(loose*)to = (loose)value; }

// Panels: the output channels in runs of at most VECS vectors, as even as can be. The last vector may be padded.
struct Panels {
    int64_t count, vectors;
    INLINE Panels of(int64_t channels) {
        const int64_t vectors = padded(channels) / LANES;
        return Panels{(vectors + VECS - 1) / VECS, vectors};
    }
    int64_t start(int64_t panel) const { return panel * vectors / count; }
    int vecs(int64_t panel) const { return (int)(start(panel + 1) - start(panel)); }
};

// Calls work(Vectors<V>()) for a panel of V vectors, so that V is known where loops over them are compiled.
template <int V> struct Vectors { enum { COUNT = V }; };
template <class Work> INLINE void for_vectors(int vecs, Work work) {
    if (vecs == 1) work(Vectors<1>());
    if (vecs == 2) work(Vectors<2>());
    if constexpr (VECS > 2) {
        if (vecs == 3) work(Vectors<3>());
        if (vecs == 4) work(Vectors<4>());
    }
}

// -------------------------------------------------------------------------------------------------- packed weights

INLINE int64_t packed_depth(int64_t depth, int half) { return half ? (depth + 1) / 2 * 2 : depth; }

template <class T> INLINE T* block(T* packed, int64_t offset, int64_t cols, int64_t depth, int64_t start) {
    return packed + (offset * padded(cols) + start * LANES) * depth;
}

// ----------------------------------------------------------------------------------------------------- transposing

// Transposes LANES x LANES numbers in registers: each step swaps the off-diagonal blocks of edge S.
template <int... I> struct Indices {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Indices<I...> type; };

template <int S, int... I> INLINE void swap_blocks(vec* r, Indices<I...>) {
    for (int i = 0; i < LANES; i++)
        if (!(i & S)) {
            const vec a = r[i], b = r[i | S];
            r[i] = __builtin_shufflevector(a, b, (I & S ? I - S + LANES : I)...);
            r[i | S] = __builtin_shufflevector(a, b, (I & S ? I + LANES : I + S)...);
        }
}

INLINE void transpose(vec* r) {
    typedef typename Count<LANES>::type all;
    swap_blocks<1>(r, all());
    swap_blocks<2>(r, all());
    if constexpr (LANES > 4) swap_blocks<4>(r, all());
    if constexpr (LANES > 8) swap_blocks<8>(r, all());
}

}  // namespace
