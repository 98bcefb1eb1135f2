/* Everything is read per process and summed. A process that ends while it is being read is left
 * out; one that may not be read makes the sum unknown, because a part would look like the whole. */
#include "bench/probe/process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/probe/proc_file.h"

static const char NOT_TOLD[] = "not told by this kernel";

/* Parsers */

mu_fact mu_proc_field(const char *text, const char *key) {
    size_t n = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, n) != 0 || line[n] != ':') continue;
        const char *at = line + n + 1;
        while (*at == ' ' || *at == '\t') {
            at++;
        }
        char *end;
        double number = strtod(at, &end);
        if (!isdigit((unsigned char)*at) || (*end != '\0' && !isspace((unsigned char)*end))) break;
        return mu_fact_of(number);
    }
    return mu_fact_unknown(NOT_TOLD);
}

static mu_fact kilobytes(const char *text, const char *key) {
    mu_fact fact = mu_proc_field(text, key);
    fact.value *= 1024;
    return fact;
}

#define MEMORY_AT(member) offsetof(mu_process_memory, member)

static const struct {
    const char *name, *key; /* key NULL: computed */
    size_t offset;
} memory_rows[] = {
    {"rss", "Rss", MEMORY_AT(rss)},
    {"pss", "Pss", MEMORY_AT(pss)},
    {"pss_dirty", "Pss_Dirty", MEMORY_AT(pss_dirty)},
    {"pss_anon", "Pss_Anon", MEMORY_AT(pss_anon)},
    {"pss_file", "Pss_File", MEMORY_AT(pss_file)},
    {"pss_shmem", "Pss_Shmem", MEMORY_AT(pss_shmem)},
    {"shared_clean", "Shared_Clean", MEMORY_AT(shared_clean)},
    {"shared_dirty", "Shared_Dirty", MEMORY_AT(shared_dirty)},
    {"private_clean", "Private_Clean", MEMORY_AT(private_clean)},
    {"private_dirty", "Private_Dirty", MEMORY_AT(private_dirty)},
    {"private_hugetlb", "Private_Hugetlb", MEMORY_AT(private_hugetlb)},
    {"anonymous", "Anonymous", MEMORY_AT(anonymous)},
    {"lazy_free", "LazyFree", MEMORY_AT(lazy_free)},
    {"anon_huge", "AnonHugePages", MEMORY_AT(anon_huge)},
    {"swap", "Swap", MEMORY_AT(swap)},
    {"swap_pss", "SwapPss", MEMORY_AT(swap_pss)},
    {"uss", NULL, MEMORY_AT(uss)},
    {"unreclaimable", NULL, MEMORY_AT(unreclaimable)},
};

static mu_fact *member_of(void *object, size_t offset) {
    return (mu_fact *)(void *)((char *)object + offset);
}

static const mu_fact *const_member_of(const void *object, size_t offset) {
    return (const mu_fact *)(const void *)((const char *)object + offset);
}

static mu_fact or_zero(mu_fact fact) {
    return fact.is_known ? fact : mu_fact_of(0);
}

void mu_smaps_rollup_parse(const char *text, mu_process_memory *out) {
    mu_process_memory m = {0};
    for (size_t i = 0; i < MU_COUNTOF(memory_rows); i++) {
        if (!memory_rows[i].key) continue;
        *member_of(&m, memory_rows[i].offset) = kilobytes(text, memory_rows[i].key);
    }
    mu_fact hugetlb = or_zero(m.private_hugetlb);
    m.uss = mu_fact_add(mu_fact_add(m.private_clean, m.private_dirty), hugetlb);
    mu_fact dirty = m.pss_dirty.is_known ? m.pss_dirty : m.private_dirty;
    mu_fact kept = mu_fact_subtract(mu_fact_add(m.pss_anon, m.pss_shmem), or_zero(m.lazy_free));
    mu_fact resident = mu_fact_max(dirty, kept);
    m.unreclaimable = mu_fact_add(mu_fact_add(resident, m.swap_pss), hugetlb);
    *out = m;
}

/* "55b0203dc000-55b0203df000 r--p 00000000 fe:00 248030    /usr/bin/sed": its name, or NULL when
 * the line is no head of a region. "": it has none. */
static const char *region_name(const char *line) {
    int at = 0;
    unsigned long begin, end;
    if (sscanf(line, "%lx-%lx %*4s %*x %*x:%*x %*u%n", &begin, &end, &at) < 2 || at == 0) {
        return NULL;
    }
    line += at;
    while (*line == ' ') {
        line++;
    }
    return line;
}

static bool name_matches(const char *found, const char *name) {
    static const char deleted[] = " (deleted)";
    size_t n_found = strcspn(found, "\n"), n = strlen(name);
    if (n > 0 && name[n - 1] == '*') return strncmp(found, name, n - 1) == 0;
    if (strncmp(found, name, n) != 0) return false;
    return n_found == n || (n_found == n + sizeof(deleted) - 1 &&
                            strncmp(found + n, deleted, sizeof(deleted) - 1) == 0);
}

#define REGION_AT(member) offsetof(mu_process_region, member)

static const struct {
    const char *key;
    size_t offset;
} region_rows[] = {
    {"Size", REGION_AT(size)},
    {"Rss", REGION_AT(rss)},
    {"Pss", REGION_AT(pss)},
    {"Private_Clean", REGION_AT(private_clean)},
    {"Private_Dirty", REGION_AT(private_dirty)},
    {"Anonymous", REGION_AT(anonymous)},
    {"AnonHugePages", REGION_AT(anon_huge)},
    {"Swap", REGION_AT(swap)},
};

static void region_init(mu_process_region *region) {
    *region = (mu_process_region){0};
    for (size_t i = 0; i < MU_COUNTOF(region_rows); i++) {
        *member_of(region, region_rows[i].offset) = mu_fact_of(0);
    }
}

static void region_add_line(mu_process_region *region, const char *line) {
    for (size_t i = 0; i < MU_COUNTOF(region_rows); i++) {
        size_t n = strlen(region_rows[i].key);
        if (strncmp(line, region_rows[i].key, n) != 0 || line[n] != ':') continue;
        member_of(region, region_rows[i].offset)->value += strtod(line + n + 1, NULL) * 1024;
        return;
    }
}

void mu_smaps_region_parse(const char *text, const char *name, mu_process_region *out) {
    bool is_inside = false;
    region_init(out);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        const char *found = region_name(line);
        if (found) {
            is_inside = name_matches(found, name);
            out->n += is_inside;
        } else if (is_inside) {
            region_add_line(out, line);
        }
    }
}

bool mu_proc_stat_parse(const char *text, double ticks_per_s, pid_t *parent,
                        mu_process_activity *out) {
    const char *behind_name = strrchr(text, ')'); /* a name may hold anything else */
    unsigned long minor, major, user, system;
    long threads;
    int parent_pid;
    if (!behind_name || behind_name[1] != ' ') return false;
    int n = sscanf(behind_name + 2,
                   "%*c %d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu %*d %*d %*d %*d %ld",
                   &parent_pid, &minor, &major, &user, &system, &threads);
    if (n != 6 || ticks_per_s <= 0.0) return false;
    *parent = parent_pid;
    out->minor_faults = mu_fact_of((double)minor);
    out->major_faults = mu_fact_of((double)major);
    out->user_s = mu_fact_of((double)user / ticks_per_s);
    out->system_s = mu_fact_of((double)system / ticks_per_s);
    out->threads = mu_fact_of((double)threads);
    return true;
}

bool mu_proc_statm_parse(const char *text, uint64_t *out_resident_pages) {
    unsigned long long resident;
    if (sscanf(text, "%*u %llu", &resident) != 1) return false;
    *out_resident_pages = resident;
    return true;
}

/* Memory */

void mu_process_memory_read(const mu_process_tree *tree, mu_process_memory *out) {
    mu_buf text = {0};
    mu_process_memory sum = {0};
    const char *why = tree->n > 0 ? MU_PROC_GONE : "there is no process";
    bool has_any = false;
    for (uint32_t i = 0; i < tree->n; i++) {
        const char *failed = mu_proc_file_read_of(tree->pids[i], "smaps_rollup", &text);
        if (failed == MU_PROC_GONE || (!failed && text.n == 0)) continue;
        if (failed) {
            has_any = false;
            why = failed;
            break;
        }
        mu_process_memory one;
        mu_smaps_rollup_parse(text.data, &one);
        for (size_t row = 0; row < MU_COUNTOF(memory_rows); row++) {
            mu_fact *to = member_of(&sum, memory_rows[row].offset);
            mu_fact from = *member_of(&one, memory_rows[row].offset);
            *to = has_any ? mu_fact_add(*to, from) : from;
        }
        has_any = true;
    }
    for (size_t row = 0; row < MU_COUNTOF(memory_rows) && !has_any; row++) {
        *member_of(&sum, memory_rows[row].offset) = mu_fact_unknown(why);
    }
    mu_buf_deinit(&text);
    *out = sum;
}

json_t *mu_process_memory_json(const mu_process_memory *memory) {
    json_t *json = json_object();
    for (size_t i = 0; json && i < MU_COUNTOF(memory_rows); i++) {
        mu_fact_set_json(json, memory_rows[i].name, const_member_of(memory, memory_rows[i].offset));
    }
    return json;
}

mu_fact mu_process_rss_fast(const mu_process_tree *tree) {
    mu_buf text = {0};
    mu_fact sum = mu_fact_unknown(MU_PROC_GONE);
    bool has_any = false;
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    for (uint32_t i = 0; i < tree->n; i++) {
        uint64_t pages;
        const char *why = mu_proc_file_read_of(tree->pids[i], "statm", &text);
        if (why == MU_PROC_GONE) continue;
        if (!why && !mu_proc_statm_parse(text.data, &pages)) why = NOT_TOLD;
        mu_fact bytes = why ? mu_fact_unknown(why) : mu_fact_of((double)pages * page_bytes);
        sum = has_any ? mu_fact_add(sum, bytes) : bytes;
        has_any = true;
    }
    mu_buf_deinit(&text);
    return sum;
}

mu_fact mu_process_peak(const mu_process_tree *tree) {
    mu_buf text = {0};
    mu_fact sum = mu_fact_unknown(MU_PROC_GONE);
    bool has_any = false;
    for (uint32_t i = 0; i < tree->n; i++) {
        const char *why = mu_proc_file_read_of(tree->pids[i], "status", &text);
        bool is_zombie = !why && strstr(text.data, "\nState:\tZ");
        if (why == MU_PROC_GONE || is_zombie) continue;
        mu_fact peak = why ? mu_fact_unknown(why) : kilobytes(text.data, "VmHWM");
        sum = has_any ? mu_fact_add(sum, peak) : peak;
        has_any = true;
    }
    mu_buf_deinit(&text);
    return sum;
}

mu_status mu_process_peak_reset(const mu_process_tree *tree, mu_err *err) {
    uint32_t n_done = 0;
    for (uint32_t i = 0; i < tree->n; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)tree->pids[i]);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool is_done = fd >= 0 && write(fd, "5", 1) == 1; /* 5: VmHWM becomes VmRSS */
        mu_status status = MU_OK;
        if (!is_done && access(path, F_OK) == 0) {
            status = mu_fail_os(err, MU_ERR_UNSUPPORTED, "%s: reset of peak memory", path);
        }
        if (fd >= 0) close(fd);
        if (status != MU_OK) return status;
        n_done += is_done;
    }
    if (n_done == 0) return mu_fail(err, MU_ERR_UNSUPPORTED, "peak memory: %s", MU_PROC_GONE);
    return MU_OK;
}

void mu_process_region_read(const mu_process_tree *tree, const char *name, mu_process_region *out) {
    mu_buf text = {0};
    mu_process_region sum;
    const char *why = NULL;
    region_init(&sum);
    for (uint32_t i = 0; i < tree->n && !why; i++) {
        why = mu_proc_file_read_of(tree->pids[i], "smaps", &text);
        if (why == MU_PROC_GONE) {
            why = NULL;
            continue;
        }
        mu_process_region one;
        mu_smaps_region_parse(text.data, name, &one);
        sum.n += one.n;
        for (size_t row = 0; row < MU_COUNTOF(region_rows); row++) {
            member_of(&sum, region_rows[row].offset)->value +=
                member_of(&one, region_rows[row].offset)->value;
        }
    }
    for (size_t row = 0; row < MU_COUNTOF(region_rows) && why; row++) {
        *member_of(&sum, region_rows[row].offset) = mu_fact_unknown(why);
    }
    if (why) sum.n = 0;
    mu_buf_deinit(&text);
    *out = sum;
}

#undef MEMORY_AT
#undef REGION_AT
