/* fiber.h - stacks that one thread of the system goes back and forth between. */
#ifndef MU_EMULATED_FIBER_H
#define MU_EMULATED_FIBER_H

#include <stddef.h>

/* Each has its own; 64 KiB are many times what a kernel uses. */
enum { MU_FIBER_STACK_BYTES = 64 * 1024 };

struct mu_fiber {
    void *sp;    /* where it goes on */
    char *stack; /* NULL: the thread's own */
    void *fake;  /* what the address sanitizer keeps for it */
};

/* Ready to run entry(), which must not return, on stack [MU_FIBER_STACK_BYTES]. */
void mu_fiber_init(mu_fiber *fiber, char *stack, void (*entry)());
/* Leave one and go on with another. */
void mu_fiber_switch(mu_fiber *from, mu_fiber *to);
/* First thing in entry(). */
void mu_fiber_begin();

#endif
