#include "chat/jinja/run.h"

#include <stdarg.h>
#include <stdio.h>

static void make_one_line(char *text) {
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r') *text = ' ';
    }
}

bool mu_run_fail(mu_run *run, mu_status status, const char *fmt, ...) {
    if (run->err.status != MU_OK) return false;
    char text[sizeof(run->err.text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    make_one_line(text);
    mu_fail(&run->err, status, "%s: line %u, column %u: %s", run->template_name, run->line,
            run->column, text);
    return false;
}

bool mu_run_fail_memory(mu_run *run) {
    return mu_run_fail(run, MU_ERR_LIMIT, "rendering takes more than %zu MiB",
                       run->arena->cap >> 20);
}

bool mu_run_raise(mu_run *run, mu_marked message) {
    char text[sizeof(run->err.text)];
    if (run->err.status != MU_OK) return false;
    int n = message.n < sizeof(text) ? (int)message.n : (int)sizeof(text);
    snprintf(text, sizeof(text), "%.*s", n, message.data ? message.data : "");
    make_one_line(text);
    run->is_raised = true;
    mu_fail(&run->err, MU_ERR_INVALID, "%s", text);
    return false;
}

bool mu_run_charge(mu_run *run, uint64_t n_steps) {
    if (n_steps <= run->steps_left) {
        run->steps_left -= n_steps;
        return true;
    }
    run->steps_left = 0;
    return mu_run_fail(run, MU_ERR_LIMIT, "rendering takes more than %d steps", MU_RUN_STEPS_MAX);
}

void mu_run_builder(mu_run *run, mu_marked_builder *out) {
    mu_marked_builder_init(out, run->arena, MU_RUN_TEXT_BYTES_MAX);
}

bool mu_run_built(mu_run *run, const mu_marked_builder *b, mu_marked *out) {
    if (b->is_too_long)
        return mu_run_fail(run, MU_ERR_LIMIT, "a text of more than %d MiB",
                           MU_RUN_TEXT_BYTES_MAX >> 20);
    if (b->failed) return mu_run_fail_memory(run);
    *out = mu_marked_built(b);
    return true;
}
