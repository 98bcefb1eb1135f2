/* impostor.h - files that stand where a model should be, because a download went wrong: the pointer
 * that git leaves without git-lfs, and web pages. Threads: any. */
#ifndef MU_FORMAT_IMPOSTOR_H
#define MU_FORMAT_IMPOSTOR_H

#include "base/status.h"

/* MU_ERR_FORMAT names what the file is and what to do. data: the file, or its beginning. */
mu_status mu_impostor_check(const void *data, size_t size, mu_err *err) MU_MUST_USE;

#endif
