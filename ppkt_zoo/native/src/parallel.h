// What all sources share: error numbers, and a loop over tasks on several threads.
#pragma once
#include <cstdint>

#define PPKT_EXPORT extern "C" __attribute__((visibility("default")))

// What the functions of the library return; the Python side turns them into its own errors.
enum { PPKT_OK = 0, PPKT_NO_MEMORY = 1, PPKT_BAD_INDEX = 2, PPKT_UNSORTED = 3, PPKT_TOO_LARGE = 4 };

// Does one task; `room` is memory of this thread alone, aligned to 64 bytes, kept from task to task.
typedef void (*ppkt_body)(const void* state, int64_t task, void* room);

// Calls body for every task from 0 to tasks - 1, each once, on up to `threads` threads, in no order. Tasks must not
// depend on which thread runs them, so that results are the same on any number of threads.
int ppkt_run(int threads, int64_t tasks, int64_t room_bytes, ppkt_body body, const void* state);
