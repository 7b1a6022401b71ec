// Which of the compiled instruction sets this processor has. Compiled for any processor.
#include "parallel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Whether the processor has tiles of bfloat16 (AMX) and the system lets this process use them: Linux wants to be asked,
// since they make what it keeps of every thread larger.
static bool has_tiles() {
#if defined(__x86_64__) && defined(__linux__)
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool there = (d >> 24 & 1) && (d >> 22 & 1);  // AMX-TILE, AMX-BF16
    const long ask = 0x1023, tile_data = 18;            // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return there && syscall(SYS_arch_prctl, ask, tile_data) == 0;
#else
    return false;
#endif
}

// Raised whenever a function of the library changes its arguments: the Python side refuses any other number.
PPKT_EXPORT int ppkt_version() { return 3; }

// The suffix of the functions that are fastest here.
PPKT_EXPORT const char* ppkt_level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512cd");
        if (!wide) return "x86_v3";
        if (!__builtin_cpu_supports("avx512bf16")) return "x86_v4";
        return has_tiles() ? "x86_v4_amx_bf16" : "x86_v4_bf16";
    }
    return "x86_v1";
#else
    return "plain";
#endif
}
