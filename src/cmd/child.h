/* child.h - this program once more, as a process of its own, for figures that want one which has
 * loaded nothing else. */
#ifndef MU_CMD_CHILD_H
#define MU_CMD_CHILD_H

#include <jansson.h>

#include "base/status.h"

/* Run it with argv (NULL at the end, argv[0] is its name) and take the JSON value it prints; its
 * standard error is ours. The caller owns *out. MU_ERR_CANCELED: it was interrupted. */
mu_status mu_child_json(const char *const *argv, json_t **out, mu_err *err) MU_MUST_USE;

#endif
