// Names of functions that are compiled once per instruction set: NAME(forward) is ppkt_forward_x86_v3 for ISA x86_v3.
#pragma once

#ifndef ISA
#define ISA plain
#endif
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(x) JOIN(ppkt_##x, ISA)
