// Stacks between which a thread of the processor changes: on x86-64 in a few instructions, elsewhere by ucontext,
// which asks the system twice for each change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_on_host {

constexpr size_t kStackBytes = 128 * 1024;

#if defined(__x86_64__)

// Where a stack was left: its pointer, above which lie the registers that a call keeps, and where to go on.
struct Place {
    void* pointer = nullptr;
};

// Leaves the running stack at `from` and goes on at `to`.
__attribute__((naked, noinline)) inline void change([[maybe_unused]] Place* from, [[maybe_unused]] const Place* to) {
    asm("pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, (%rdi)\n\tmovq (%rsi), %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

// A place at the start of `function`, which must never return, on a stack of kStackBytes.
inline void start_at(Place& place, char* stack, void (*function)()) {
    auto top = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(stack + kStackBytes) / 16 * 16);
    *--top = nullptr;  // as the address to return to; with it the stack is aligned as after a call
    *--top = reinterpret_cast<void*>(function);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    place.pointer = top;
}

#else

using Place = ucontext_t;

inline void change(Place* from, const Place* to) { swapcontext(from, to); }

inline void start_at(Place& place, char* stack, void (*function)()) {
    getcontext(&place);
    place.uc_stack.ss_sp = stack;
    place.uc_stack.ss_size = kStackBytes;
    place.uc_link = nullptr;
    makecontext(&place, function, 0);
}

#endif

}  // namespace cuda_on_host
