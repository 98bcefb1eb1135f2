/* Everything here is read from files that may be absent or say something new; what cannot be read
 * does not limit. Cgroup limits are looked up from the process's own group to the root, because any
 * ancestor may be the tight one. Both cgroup versions are read the same way: version 2 has one
 * tree, version 1 one per controller.
 */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, TEXT_BYTES = 8192 };

/* The start of a file as text; empty when it cannot be read. */
static const char *read_text(const char *root, const char *path, char text[TEXT_BYTES]) {
    char full[PATH_BYTES];
    text[0] = '\0';
    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full)) return text;
    FILE *file = fopen(full, "re");
    if (!file) return text;
    size_t n = fread(text, 1, TEXT_BYTES - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

/* The number behind "key" at the start of a line, 0 when absent. */
static uint64_t field(const char *text, const char *key) {
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        size_t n = strlen(key);
        if (strncmp(line, key, n) == 0) return strtoull(line + n, NULL, 10);
    }
    return 0;
}

typedef struct limits {
    double quota;          /* cores, 0: none */
    uint64_t memory_bytes; /* 0: none */
    uint64_t memory_used;
} limits;

static void tighten_quota(limits *l, double quota, double period) {
    if (quota <= 0.0 || period <= 0.0) return;
    if (l->quota == 0.0 || quota / period < l->quota) l->quota = quota / period;
}

static void tighten_memory(limits *l, uint64_t bytes, uint64_t used) {
    if (bytes == 0 || bytes >= UINT64_C(1) << 60) return; /* v1 says "none" with a huge number */
    if (l->memory_bytes != 0 && bytes >= l->memory_bytes) return;
    l->memory_bytes = bytes;
    l->memory_used = used;
}

static uint64_t number_in(const char *root, const char *folder, const char *name) {
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return strtoull(read_text(root, path, text), NULL, 10); /* "max" is 0 */
}

/* Pages of files that were not used lately are given up as soon as somebody wants memory. */
static uint64_t without(uint64_t used, uint64_t cached) {
    return used > cached ? used - cached : 0;
}

static void read_v2(const char *root, const char *folder, limits *l) {
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    double quota = 0.0, period = 0.0;
    if (sscanf(read_text(root, path, text), "%lf %lf", &quota, &period) == 2) {
        tighten_quota(l, quota, period);
    }
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    uint64_t cached = field(read_text(root, path, text), "inactive_file ");
    tighten_memory(l, number_in(root, folder, "memory.max"),
                   without(number_in(root, folder, "memory.current"), cached));
}

static void read_v1_cpu(const char *root, const char *folder, limits *l) {
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
    double quota = strtod(read_text(root, path, text), NULL); /* -1: none */
    tighten_quota(l, quota, (double)number_in(root, folder, "cpu.cfs_period_us"));
}

static void read_v1_memory(const char *root, const char *folder, limits *l) {
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    uint64_t cached = field(read_text(root, path, text), "total_inactive_file ");
    tighten_memory(l, number_in(root, folder, "memory.limit_in_bytes"),
                   without(number_in(root, folder, "memory.usage_in_bytes"), cached));
}

/* Visit mount + group, then every ancestor of group, down to mount itself. */
static void walk_up(const char *root, const char *mount, const char *group,
                    void (*visit)(const char *root, const char *folder, limits *l), limits *l) {
    char folder[PATH_BYTES];
    if (snprintf(folder, sizeof(folder), "%s%s", mount, group) >= (int)sizeof(folder)) return;
    size_t n_mount = strlen(mount);
    for (;;) {
        visit(root, folder, l);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < n_mount || strlen(folder) <= n_mount) return;
        *slash = '\0';
    }
}

static bool has_controller(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == n && strncmp(at, name, n) == 0) return true;
    }
    return false;
}

static limits read_cgroups(const char *root) {
    limits l = {0};
    char text[TEXT_BYTES];
    char *save = NULL;
    read_text(root, "/proc/self/cgroup", text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':'), *group = NULL;
        if (controllers) group = strchr(++controllers, ':');
        if (!group) continue;
        *group++ = '\0';
        if (controllers[0] == '\0') {
            walk_up(root, "/sys/fs/cgroup", group, read_v2, &l);
        } else if (has_controller(controllers, "cpu")) {
            /* "cpu,cpuacct" are often mounted together, under that name or with a link from "cpu"
             */
            char mount[PATH_BYTES];
            walk_up(root, "/sys/fs/cgroup/cpu", group, read_v1_cpu, &l);
            snprintf(mount, sizeof(mount), "/sys/fs/cgroup/%s", controllers);
            walk_up(root, mount, group, read_v1_cpu, &l);
        } else if (strcmp(controllers, "memory") == 0) {
            walk_up(root, "/sys/fs/cgroup/memory", group, read_v1_memory, &l);
        }
    }
    return l;
}

static void read_name(const char *root, char *out, size_t cap) {
    char text[TEXT_BYTES];
    const char *line = strstr(read_text(root, "/proc/cpuinfo", text), "model name");
    const char *colon = line ? strchr(line, ':') : NULL;
    out[0] = '\0';
    if (!colon || colon[1] == '\0') return;
    snprintf(out, cap, "%s", colon + 2);
    out[strcspn(out, "\n")] = '\0';
}

static uint32_t affinity_cores(void) {
    cpu_set_t set; /* more than 1024 cores do not fit: then affinity does not limit */
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 0;
    return (uint32_t)CPU_COUNT(&set);
}

static void decide(mu_cpu_facts *f) {
    f->n_usable = f->n_online;
    const char *why = "machine";
    if (f->n_affinity > 0 && f->n_affinity < f->n_usable) {
        f->n_usable = f->n_affinity;
        why = "affinity";
    }
    if (f->quota > 0.0 && f->quota < (double)f->n_usable) {
        f->n_usable = f->quota < 1.0 ? 1 : (uint32_t)f->quota;
        why = "cgroup quota";
    }
    if (f->n_usable == 0) f->n_usable = 1;
    snprintf(f->limited_by, sizeof(f->limited_by), "%s", why);
}

void mu_cpu_facts_read_from(const char *root, mu_cpu_facts *out) {
    mu_cpu_facts f = {0};
    char text[TEXT_BYTES];
    long n_online = sysconf(_SC_NPROCESSORS_ONLN);
    f.n_online = n_online > 0 ? (uint32_t)n_online : 1;
    f.n_affinity = affinity_cores();
    read_name(root, f.name, sizeof(f.name));
    limits l = read_cgroups(root);
    f.quota = l.quota;
    read_text(root, "/proc/meminfo", text);
    f.memory_bytes = field(text, "MemTotal:") << 10;
    f.memory_available_bytes = field(text, "MemAvailable:") << 10;
    f.memory_limit_bytes = l.memory_bytes;
    uint64_t left = l.memory_bytes > l.memory_used ? l.memory_bytes - l.memory_used : 0;
    if (l.memory_bytes > 0 && left < f.memory_available_bytes) f.memory_available_bytes = left;
    decide(&f);
    *out = f;
}

void mu_cpu_facts_read(mu_cpu_facts *out) {
    mu_cpu_facts_read_from("", out);
}

uint32_t mu_cpu_threads(uint32_t n) {
    if (n > 0) return n;
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    return facts.n_usable;
}

uint64_t mu_memory_resident_bytes(void) {
    char text[TEXT_BYTES];
    return field(read_text("", "/proc/self/status", text), "VmRSS:") << 10;
}

uint64_t mu_memory_peak_bytes(void) {
    char text[TEXT_BYTES];
    return field(read_text("", "/proc/self/status", text), "VmHWM:") << 10;
}
