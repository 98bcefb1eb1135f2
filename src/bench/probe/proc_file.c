#include "bench/probe/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char MU_PROC_GONE[] = "the process has ended";

static const char *reason(int os_errno) {
    static const struct {
        int os_errno;
        const char *why;
    } rows[] = {
        {ENOENT, "not told by this system"},     {ENODEV, "not told by this system"},
        {EOPNOTSUPP, "not told by this system"}, {EACCES, "reading it is not permitted"},
        {EPERM, "reading it is not permitted"},  {ESRCH, MU_PROC_GONE},
        {EMFILE, "too many open files"},         {ENFILE, "too many open files"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (rows[i].os_errno == os_errno) return rows[i].why;
    }
    return "it cannot be read";
}

const char *mu_proc_file_read(const char *path, mu_buf *out) {
    mu_buf_clear(out);
    mu_buf_append(out, "", 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return reason(errno);
    char block[8192];
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0) {
        mu_buf_append(out, block, (size_t)n);
    }
    const char *why = n < 0 ? reason(errno) : NULL;
    close(fd);
    if (out->failed) why = "out of memory";
    if (why) {
        mu_buf_clear(out);
        mu_buf_append(out, "", 0);
    }
    return why;
}

const char *mu_proc_file_read_of(pid_t pid, const char *name, mu_buf *out) {
    char path[96];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    const char *why = mu_proc_file_read(path, out);
    if (!why || why == MU_PROC_GONE) return why;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return access(path, F_OK) == 0 ? why : MU_PROC_GONE;
}

mu_fact mu_proc_file_number(const char *path) {
    mu_buf text = {0};
    const char *why = mu_proc_file_read(path, &text);
    mu_fact fact = mu_fact_unknown(why ? why : "it is not a number");
    if (!why && text.data) {
        char *end;
        double number = strtod(text.data, &end);
        if (end != text.data && (*end == '\n' || *end == '\0')) fact = mu_fact_of(number);
    }
    mu_buf_deinit(&text);
    return fact;
}

mu_text_fact mu_proc_file_text(const char *path) {
    mu_buf text = {0};
    const char *why = mu_proc_file_read(path, &text);
    mu_text_fact fact = mu_text_fact_unknown(why);
    if (!why) fact = mu_text_fact_of(text.data ? text.data : "", text.n);
    mu_buf_deinit(&text);
    return fact;
}
