// float32 and bfloat16 as the same loops read and write them. Everything here is inlined: see vectors.h.
#pragma once
#include <cstdint>
#include <cstring>

#define INLINE static inline __attribute__((always_inline))

typedef uint16_t bf16;

INLINE float wide(float value) { return value; }
INLINE float wide(bf16 value) {
    const uint32_t word = (uint32_t)value << 16;
    float out;
    memcpy(&out, &word, 4);
    return out;
}
INLINE void narrow(float value, float* to) { *to = value; }
INLINE void narrow(float value, bf16* to) {  // round to nearest even, as PyTorch does
    uint32_t word;
    memcpy(&word, &value, 4);
    *to = value != value ? (bf16)0x7fc0 : (bf16)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
}
