/* A switch saves what the System V ABI lets a function keep, and the stack pointer. Other
 * processors go through ucontext, which is slower by two system calls.
 */
#include "fiber.h"

#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
/* The thread's own stack, as the sanitizer told on the way into the first fiber. */
static const void *own_bottom;
static size_t own_bytes;

static void before_switch(mu_fiber *from, const mu_fiber *to) {
    const void *bottom = to->stack ? to->stack : own_bottom;
    size_t bytes = to->stack ? (size_t)MU_FIBER_STACK_BYTES : own_bytes;
    __sanitizer_start_switch_fiber(&from->fake, bottom, bytes);
}
static void after_switch(mu_fiber *self) {
    __sanitizer_finish_switch_fiber(self->fake, NULL, NULL);
}
void mu_fiber_begin() {
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &bytes);
    if (bytes != MU_FIBER_STACK_BYTES) {
        own_bottom = bottom;
        own_bytes = bytes;
    }
}
#else
static void before_switch(mu_fiber *from, const mu_fiber *to) {
    (void)from, (void)to;
}
static void after_switch(mu_fiber *self) {
    (void)self;
}
void mu_fiber_begin() {
}
#endif

#if defined(__x86_64__)
extern "C" void mu_fiber_exchange(void **save, void *load);
asm(R"(
.text
.globl mu_fiber_exchange
.hidden mu_fiber_exchange
.type mu_fiber_exchange, @function
mu_fiber_exchange:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size mu_fiber_exchange, .-mu_fiber_exchange
)");

void mu_fiber_init(mu_fiber *fiber, char *stack, void (*entry)()) {
    uintptr_t top = ((uintptr_t)stack + MU_FIBER_STACK_BYTES) & ~(uintptr_t)15;
    void **slots = (void **)top - 8; /* six registers, where to go, and what keeps it aligned */
    memset(slots, 0, 8 * sizeof(*slots));
    slots[6] = (void *)entry;
    fiber->sp = slots;
    fiber->stack = stack;
    fiber->fake = NULL;
}

void mu_fiber_switch(mu_fiber *from, mu_fiber *to) {
    before_switch(from, to);
    mu_fiber_exchange(&from->sp, to->sp);
    after_switch(from);
}
#else
#include <stdlib.h>
#include <ucontext.h>

void mu_fiber_init(mu_fiber *fiber, char *stack, void (*entry)()) {
    ucontext_t *context = (ucontext_t *)stack; /* at the far end of the stack it describes */
    getcontext(context);
    context->uc_stack.ss_sp = stack + sizeof(*context);
    context->uc_stack.ss_size = MU_FIBER_STACK_BYTES - sizeof(*context);
    context->uc_link = NULL;
    makecontext(context, entry, 0);
    fiber->sp = context;
    fiber->stack = stack;
    fiber->fake = NULL;
}

void mu_fiber_switch(mu_fiber *from, mu_fiber *to) {
    ucontext_t own;
    if (!from->stack) from->sp = &own; /* alive until this call returns */
    before_switch(from, to);
    swapcontext((ucontext_t *)from->sp, (ucontext_t *)to->sp);
    after_switch(from);
}
#endif
