#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/probe/proc_file.h"
#include "bench/probe/process.h"

/* The tree */

typedef struct relation {
    pid_t pid, parent;
} relation;

typedef struct relations {
    relation *items; /* [n], owned */
    size_t n, cap;
} relations;

static bool add_relation(relations *all, pid_t pid, pid_t parent) {
    void *items = all->items;
    if (!mu_grow(&items, &all->cap, all->n + 1, sizeof(*all->items))) return false;
    all->items = items;
    all->items[all->n++] = (relation){pid, parent};
    return true;
}

static double ticks_per_second(void) {
    return (double)sysconf(_SC_CLK_TCK);
}

/* It has ended, and only its parent has not asked how. */
static bool is_zombie(const char *stat) {
    const char *behind_name = strrchr(stat, ')');
    return behind_name &&
           (strncmp(behind_name, ") Z", 3) == 0 || strncmp(behind_name, ") X", 3) == 0);
}

/* Who is whose child. A kernel may be built without /proc/PID/task/TID/children. */
static mu_status read_relations(relations *all, mu_err *err) {
    DIR *folder = opendir("/proc");
    if (!folder) return mu_fail_os(err, MU_ERR_IO, "/proc");
    mu_buf text = {0};
    mu_status status = MU_OK;
    for (struct dirent *entry; status == MU_OK && (entry = readdir(folder));) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), parent;
        mu_process_activity ignored;
        if (mu_proc_file_read_of(pid, "stat", &text) || is_zombie(text.data) ||
            !mu_proc_stat_parse(text.data, ticks_per_second(), &parent, &ignored)) {
            continue;
        }
        if (!add_relation(all, pid, parent)) status = mu_fail(err, MU_ERR_NOMEM, "processes");
    }
    mu_buf_deinit(&text);
    closedir(folder);
    return status;
}

mu_status mu_process_tree_read(pid_t root, mu_process_tree *out, mu_err *err) {
    relations all = {0};
    mu_status status = read_relations(&all, err);
    bool is_there = false;
    for (size_t i = 0; i < all.n; i++) {
        is_there |= all.items[i].pid == root;
    }
    if (status == MU_OK && !is_there) {
        status = mu_fail(err, MU_ERR_NOT_FOUND, "process %d: there is none", (int)root);
    }
    if (status == MU_OK) {
        out->is_cut = false;
        out->pids[0] = root;
        out->n = 1;
        for (uint32_t done = 0; done < out->n; done++) {
            for (size_t i = 0; i < all.n; i++) {
                if (all.items[i].parent != out->pids[done]) continue;
                out->is_cut |= out->n == MU_PROCESSES_MAX;
                if (out->n < MU_PROCESSES_MAX) out->pids[out->n++] = all.items[i].pid;
            }
        }
    }
    mu_free(all.items);
    return status;
}

/* Activity */

#define AT(member) offsetof(mu_process_activity, member)

static const struct {
    const char *name;
    size_t offset;
    bool is_now; /* not a count that grows */
} rows[] = {
    {"user_s", AT(user_s), false},
    {"system_s", AT(system_s), false},
    {"on_cpu_s", AT(on_cpu_s), false},
    {"queued_s", AT(queued_s), false},
    {"minor_faults", AT(minor_faults), false},
    {"major_faults", AT(major_faults), false},
    {"switches_voluntary", AT(switches_voluntary), false},
    {"switches_forced", AT(switches_forced), false},
    {"read_bytes", AT(read_bytes), false},
    {"written_bytes", AT(written_bytes), false},
    {"threads", AT(threads), true},
    {"fds", AT(fds), true},
};

#undef AT

static mu_fact *row_of(mu_process_activity *activity, size_t row) {
    return (mu_fact *)(void *)((char *)activity + rows[row].offset);
}

static const mu_fact *const_row_of(const mu_process_activity *activity, size_t row) {
    return (const mu_fact *)(const void *)((const char *)activity + rows[row].offset);
}

static void read_thread(const char *folder, const char *thread, mu_buf *text,
                        mu_process_activity *to) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%s/status", folder, thread);
    const char *why = mu_proc_file_read(path, text);
    if (!why) {
        to->switches_voluntary = mu_fact_add(to->switches_voluntary,
                                             mu_proc_field(text->data, "voluntary_ctxt_switches"));
        to->switches_forced = mu_fact_add(to->switches_forced,
                                          mu_proc_field(text->data, "nonvoluntary_ctxt_switches"));
    }
    snprintf(path, sizeof(path), "%s/%s/schedstat", folder, thread);
    why = mu_proc_file_read(path, text);
    unsigned long long ran_ns, waited_ns;
    if (!why && sscanf(text->data, "%llu %llu", &ran_ns, &waited_ns) == 2) {
        to->on_cpu_s = mu_fact_add(to->on_cpu_s, mu_fact_of((double)ran_ns / 1e9));
        to->queued_s = mu_fact_add(to->queued_s, mu_fact_of((double)waited_ns / 1e9));
    } else if (why && why != MU_PROC_GONE && access(folder, F_OK) == 0) {
        to->on_cpu_s = to->queued_s = mu_fact_unknown(why);
    }
}

static void read_threads(pid_t pid, mu_buf *text, mu_process_activity *to) {
    char folder[64];
    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(folder);
    if (!threads) return;
    to->switches_voluntary = to->switches_forced = mu_fact_of(0);
    to->on_cpu_s = to->queued_s = mu_fact_of(0);
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (isdigit((unsigned char)entry->d_name[0])) read_thread(folder, entry->d_name, text, to);
    }
    closedir(threads);
}

static mu_fact count_fds(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (!folder) return mu_fact_unknown("reading it is not permitted");
    double n = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        n += isdigit((unsigned char)entry->d_name[0]) != 0;
    }
    closedir(folder);
    return mu_fact_of(n);
}

/* False: the process has ended. */
static bool read_one(pid_t pid, mu_buf *text, mu_process_activity *out) {
    mu_process_activity a = {0};
    pid_t parent;
    if (mu_proc_file_read_of(pid, "stat", text) ||
        !mu_proc_stat_parse(text->data, ticks_per_second(), &parent, &a)) {
        return false;
    }
    const char *why = mu_proc_file_read_of(pid, "io", text);
    a.read_bytes = why ? mu_fact_unknown(why) : mu_proc_field(text->data, "read_bytes");
    a.written_bytes = why ? mu_fact_unknown(why) : mu_proc_field(text->data, "write_bytes");
    read_threads(pid, text, &a);
    a.fds = count_fds(pid);
    *out = a;
    return why != MU_PROC_GONE;
}

void mu_process_activity_read(const mu_process_tree *tree, mu_process_activity *out) {
    mu_buf text = {0};
    mu_process_activity sum = {0}, one;
    bool has_any = false;
    for (uint32_t i = 0; i < tree->n; i++) {
        if (!read_one(tree->pids[i], &text, &one)) continue;
        for (size_t row = 0; row < MU_COUNTOF(rows) && has_any; row++) {
            *row_of(&sum, row) = mu_fact_add(*row_of(&sum, row), *row_of(&one, row));
        }
        if (!has_any) sum = one;
        has_any = true;
    }
    for (size_t row = 0; row < MU_COUNTOF(rows) && !has_any; row++) {
        *row_of(&sum, row) = mu_fact_unknown(MU_PROC_GONE);
    }
    mu_buf_deinit(&text);
    *out = sum;
}

mu_process_activity mu_process_activity_since(const mu_process_activity *begin,
                                              const mu_process_activity *end) {
    mu_process_activity result = *end;
    for (size_t row = 0; row < MU_COUNTOF(rows); row++) {
        if (rows[row].is_now) continue;
        *row_of(&result, row) = mu_fact_subtract(*row_of(&result, row), *const_row_of(begin, row));
    }
    return result;
}

json_t *mu_process_activity_json(const mu_process_activity *activity) {
    json_t *json = json_object();
    for (size_t row = 0; json && row < MU_COUNTOF(rows); row++) {
        mu_fact_set_json(json, rows[row].name, const_row_of(activity, row));
    }
    return json;
}
