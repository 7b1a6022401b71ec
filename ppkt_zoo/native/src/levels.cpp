// Which of the compiled instruction sets this processor has. Compiled for any processor.
#include "parallel.h"

// Raised whenever a function of the library changes its arguments: the Python side refuses any other number.
PPKT_EXPORT int ppkt_version() { return 2; }

// The suffix of the functions that are fastest here.
PPKT_EXPORT const char* ppkt_level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512cd");
        if (!wide) return "x86_v3";
        return __builtin_cpu_supports("avx512bf16") ? "x86_v4_bf16" : "x86_v4";
    }
    return "x86_v1";
#else
    return "plain";
#endif
}
