#include "cmd/history_file.h"

#include <stdio.h>
#include <stdlib.h>

mu_status mu_history_open_at(const char *option, mu_history **out, mu_err *err) {
    char path[1024];
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (option) return mu_history_open(option, out, err);
    int n;
    if (data && data[0] == '/') { /* a relative one is to be ignored, says the specification */
        n = snprintf(path, sizeof(path), "%s/muai/bench.db", data);
    } else if (home && home[0] != '\0') {
        n = snprintf(path, sizeof(path), "%s/.local/share/muai/bench.db", home);
    } else {
        return mu_fail(err, MU_ERR_INVALID, "history: HOME is not set: use --history FILE");
    }
    if (n >= (int)sizeof(path)) {
        return mu_fail(err, MU_ERR_INVALID, "history: the path is too long: use --history FILE");
    }
    return mu_history_open(path, out, err);
}
