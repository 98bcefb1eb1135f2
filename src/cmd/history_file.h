/* history_file.h - where the history of runs is: --history FILE, or $XDG_DATA_HOME/muai/bench.db,
 * which is ~/.local/share/muai/bench.db where that is not set. */
#ifndef MU_CMD_HISTORY_FILE_H
#define MU_CMD_HISTORY_FILE_H

#include "bench/judge/history.h"

/* option: what --history says; NULL: it was not given. MU_ERR_INVALID when there is no home. */
mu_status mu_history_open_at(const char *option, mu_history **out, mu_err *err) MU_MUST_USE;

#endif
