// A loop over tasks on several threads.
//
// Where PyTorch runs on GNU OpenMP its own pool of threads is used (the Python side hands over GOMP_parallel): the
// threads of a second pool would wait for processors on which the first one's still spin. Everywhere else, and in a
// process made by fork (which has the pool's memory without its threads), threads are started for each call: that costs
// some 20 microseconds and needs no runtime library.
#include "parallel.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <system_error>
#include <thread>
#include <vector>
#ifndef _WIN32
#include <unistd.h>
#endif

namespace {

typedef void (*gomp_parallel)(void (*)(void*), void*, unsigned, unsigned);

std::atomic<gomp_parallel> pool{nullptr};
std::atomic<long> pool_owner{0};

long process() {
#ifdef _WIN32
    return 1;
#else
    return (long)getpid();
#endif
}

// How this thread rounds and whether it sets denormals to zero. Threads of a pool may have another mode than the thread
// that calls: then a number would depend on who computed it.
#if defined(__x86_64__)
typedef unsigned mode;
mode get_mode() { return __builtin_ia32_stmxcsr(); }
void set_mode(mode value) { __builtin_ia32_ldmxcsr(value); }
#elif defined(__aarch64__)
typedef uint64_t mode;
mode get_mode() {
    mode value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}
void set_mode(mode value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
#else
typedef int mode;
mode get_mode() { return 0; }
void set_mode(mode) {}
#endif

struct Job {
    mode floats = get_mode();
    ppkt_body body;
    const void* state;
    int64_t tasks, room_bytes;
    std::atomic<int64_t> next{0};
    std::atomic<int> error{PPKT_OK};
};

void work(void* argument) {
    Job& job = *(Job*)argument;
    void* memory = nullptr;
    void* room = nullptr;
    if (job.room_bytes > 0) {
        memory = std::malloc((size_t)job.room_bytes + 64);
        if (!memory) {
            job.error = PPKT_NO_MEMORY;
            job.next = job.tasks;
            return;
        }
        room = (void*)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    }
    const mode own = get_mode();
    set_mode(job.floats);
    for (;;) {
        const int64_t task = job.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= job.tasks) break;
        job.body(job.state, task, room);
    }
    set_mode(own);
    std::free(memory);
}

}  // namespace

PPKT_EXPORT void ppkt_use_openmp(void* parallel) {
    pool_owner = process();
    pool = (gomp_parallel)parallel;
}

int ppkt_run(int threads, int64_t tasks, int64_t room_bytes, ppkt_body body, const void* state) {
    Job job;
    job.body = body;
    job.state = state;
    job.tasks = tasks;
    job.room_bytes = room_bytes;
    if (threads > tasks) threads = (int)tasks;
    if (threads <= 1) {
        work(&job);
        return job.error;
    }
    const gomp_parallel parallel = pool;
    if (parallel && pool_owner == process()) {
        parallel(work, &job, (unsigned)threads, 0);
        return job.error;
    }
    std::vector<std::thread> others;
    try {
        others.reserve((size_t)threads - 1);
        for (int i = 1; i < threads; i++) others.emplace_back(work, (void*)&job);
    } catch (const std::bad_alloc&) {  // fewer threads do the same work
    } catch (const std::system_error&) {
    }
    work(&job);
    for (std::thread& other : others) other.join();
    return job.error;
}
