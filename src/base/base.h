/* base.h - the few macros every file may use. No types, no I/O, no allocation.
 *
 * base/, tensor/ and backend/cuda/ headers are also read by nvcc as C++: they say MU_C_BEGIN and
 * stay within the common subset. No other header cares. */
#ifndef MU_BASE_H
#define MU_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))
#ifdef __cplusplus
#define MU_C_BEGIN extern "C" {
#define MU_C_END   }
#else
#define MU_C_BEGIN
#define MU_C_END
#endif

#define MU_MUST_USE         __attribute__((warn_unused_result))
#define MU_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* MU_ASSERT states a fact the author can prove. If it is false the program is wrong, and the only
 * safe thing left is to stop, so it stays on in release builds. Bad input is never asserted: it is
 * returned as a mu_status. MU_DASSERT says the same inside hot loops, in debug builds only. */
#define MU_ASSERT(cond) ((cond) ? (void)0 : mu_assert_fail(#cond, __FILE__, __LINE__, __func__))
#ifdef MU_DEBUG
#define MU_DASSERT(cond) MU_ASSERT(cond)
#else
#define MU_DASSERT(cond) ((void)sizeof(cond))
#endif

MU_C_BEGIN
void mu_assert_fail(const char *cond, const char *file, int line, const char *func)
    __attribute__((noreturn));
MU_C_END

#endif
