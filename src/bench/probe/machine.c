#include "bench/probe/machine.h"

#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/cpu.h"
#include "bench/probe/proc_file.h"
#include "bench/probe/process.h"

enum { PATH_BYTES = 512 };

static const char NOT_TOLD[] = "not told by this system";

typedef struct reader {
    const char *root;
    mu_buf text; /* of the file read last */
    mu_machine *m;
} reader;

static const char *read_text(reader *r, const char *path) {
    char full[PATH_BYTES];
    snprintf(full, sizeof(full), "%s%s", r->root, path);
    return mu_proc_file_read(full, &r->text);
}

static mu_fact number(reader *r, const char *path) {
    char full[PATH_BYTES];
    snprintf(full, sizeof(full), "%s%s", r->root, path);
    return mu_proc_file_number(full);
}

static mu_text_fact text(reader *r, const char *path) {
    const char *why = read_text(r, path);
    return why ? mu_text_fact_unknown(why) : mu_text_fact_of(r->text.data, r->text.n);
}

/* "key   : value" of a line, and 'key="value"'; NULL: there is none. */
static const char *line_value(const char *lines, const char *key, char separator, size_t *out_n) {
    size_t n = strlen(key);
    for (const char *line = lines; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, n) != 0) continue;
        const char *at = line + n + strspn(line + n, " \t");
        if (*at != separator) continue;
        at++;
        at += strspn(at, " \t\"");
        *out_n = strcspn(at, "\"\n");
        return at;
    }
    return NULL;
}

static mu_text_fact line_text(const char *why, const char *lines, const char *key, char separator) {
    size_t n;
    const char *value = why ? NULL : line_value(lines, key, separator, &n);
    return value ? mu_text_fact_of(value, n) : mu_text_fact_unknown(why ? why : NOT_TOLD);
}

/* "0-3,8" has five. */
static mu_fact count_list(const char *why, const char *list) {
    double n = 0;
    for (const char *at = list; !why; at++) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (end == at) break;
        if (*end == '-') last = strtoul(end + 1, &end, 10);
        n += (double)(last - first) + 1;
        at = end;
        if (*at != ',') break;
    }
    return n > 0 ? mu_fact_of(n) : mu_fact_unknown(why ? why : NOT_TOLD);
}

static bool has_word(const char *words, size_t n_words, const char *word) {
    size_t n = strlen(word);
    for (const char *at = words; (at = memmem(at, n_words - (size_t)(at - words), word, n)); at++) {
        const char *end = at + n;
        bool begins = at == words || at[-1] == ' ';
        bool ends = end == words + n_words || *end == ' ';
        if (begins && ends) return true;
    }
    return false;
}

/* CPU */

static void read_flags(reader *r, const char *why) {
    static const char *const known[] = {
        "sse4_2",   "avx",         "avx2",        "fma",         "f16c",     "avx512f",  "avx512bw",
        "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile", "amx_int8",
        "amx_bf16", "asimd",       "asimddp",     "sve",         "sve2",     "i8mm",     "bf16",
    };
    size_t n = 0;
    const char *flags = why ? NULL : line_value(r->text.data, "flags", ':', &n);
    if (!why && !flags) flags = line_value(r->text.data, "Features", ':', &n);
    if (!flags) {
        r->m->cpu_flags = mu_text_fact_unknown(why ? why : NOT_TOLD);
        return;
    }
    char found[sizeof(r->m->cpu_flags.text)] = "";
    size_t used = 0;
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        if (!has_word(flags, n, known[i]) || used + strlen(known[i]) + 2 > sizeof(found)) continue;
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s", used > 0 ? " " : "",
                                 known[i]);
    }
    r->m->cpu_flags = mu_text_fact_of(found, used);
}

#if defined(__x86_64__)
/* What the hypervisor calls itself, such as "KVMKVMKVM". */
static void hypervisor_signature(char out[16]) {
    unsigned eax, words[3];
    __cpuid(0x40000000, eax, words[0], words[1], words[2]);
    memcpy(out, words, sizeof(words));
    out[12] = '\0';
}
#else
static void hypervisor_signature(char out[16]) {
    out[0] = '\0';
}
#endif

static void read_virtualization(reader *r, const char *why) {
    size_t n = 0;
    const char *flags = why ? NULL : line_value(r->text.data, "flags", ':', &n);
    if (!flags) {
        r->m->virtualization = mu_text_fact_unknown(why ? why : NOT_TOLD);
        return;
    }
    char name[64] = "bare metal", signature[16];
    if (has_word(flags, n, "hypervisor")) {
        hypervisor_signature(signature);
        snprintf(name, sizeof(name), "virtual machine%s%s", signature[0] ? ", " : "", signature);
    }
    r->m->virtualization = mu_text_fact_of(name, strlen(name));
}

static void read_cpuinfo(reader *r) {
    const char *why = read_text(r, "/proc/cpuinfo");
    r->m->cpu_model = line_text(why, r->text.data, "model name", ':');
    r->m->cpu_vendor = line_text(why, r->text.data, "vendor_id", ':');
    r->m->microcode = line_text(why, r->text.data, "microcode", ':');
    read_flags(r, why);
    read_virtualization(r, why);
}

/* CPUs that are the first of a group, by the group's list of members. */
static mu_fact count_groups(reader *r, const char *list) {
    double n = 0;
    const char *why = NOT_TOLD;
    for (long cpu = 0, end = sysconf(_SC_NPROCESSORS_CONF); cpu < end; cpu++) {
        char path[128];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/%s", cpu, list);
        const char *failed = read_text(r, path);
        if (failed) why = failed;
        n += !failed && strtol(r->text.data, NULL, 10) == cpu;
    }
    return n > 0 ? mu_fact_of(n) : mu_fact_unknown(why);
}

static void read_topology(reader *r) {
    mu_machine *m = r->m;
    const char *why = read_text(r, "/sys/devices/system/cpu/online");
    m->n_cpus_online = count_list(why, r->text.data);
    cpu_set_t set;
    bool is_known = sched_getaffinity(0, sizeof(set), &set) == 0;
    m->n_cpus_allowed = is_known ? mu_fact_of(CPU_COUNT(&set))
                                 : mu_fact_unknown("more CPUs than an affinity mask holds");
    why = read_text(r, "/proc/self/status");
    m->cpus_allowed = line_text(why, r->text.data, "Cpus_allowed_list", ':');
    why = read_text(r, "/sys/devices/system/node/online");
    m->n_numa_nodes = count_list(why, r->text.data);
    m->n_cores = count_groups(r, "thread_siblings_list");
    m->n_sockets = count_groups(r, "core_siblings_list");
    m->smt = text(r, "/sys/devices/system/cpu/smt/control");
}

static void read_frequency(reader *r) {
    static const struct {
        const char *path, *on;
    } turbos[] = {{"/sys/devices/system/cpu/intel_pstate/no_turbo", "0"},
                  {"/sys/devices/system/cpu/cpufreq/boost", "1"}};
    mu_machine *m = r->m;
    m->governor = text(r, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    m->frequency_max_mhz = number(r, "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
    m->frequency_max_mhz.value /= 1e3;
    m->turbo = mu_text_fact_unknown(NOT_TOLD);
    for (size_t i = 0; i < MU_COUNTOF(turbos) && !m->turbo.is_known; i++) {
        mu_text_fact found = text(r, turbos[i].path);
        if (!found.is_known) continue;
        const char *state = strcmp(found.text, turbos[i].on) == 0 ? "on" : "off";
        m->turbo = mu_text_fact_of(state, strlen(state));
    }
}

static void read_caches(reader *r) {
    mu_machine *m = r->m;
    mu_fact *const levels[] = {&m->cache_l1d_bytes, &m->cache_l2_bytes, &m->cache_l3_bytes};
    for (size_t i = 0; i < MU_COUNTOF(levels); i++) {
        *levels[i] = mu_fact_unknown(NOT_TOLD);
    }
    for (uint32_t i = 0; i < 8; i++) {
        char folder[96], path[128];
        snprintf(folder, sizeof(folder), "/sys/devices/system/cpu/cpu0/cache/index%u", i);
        snprintf(path, sizeof(path), "%s/level", folder);
        mu_fact level = number(r, path);
        snprintf(path, sizeof(path), "%s/type", folder);
        bool is_code = strcmp(text(r, path).text, "Instruction") == 0;
        snprintf(path, sizeof(path), "%s/size", folder);
        char *unit;
        if (!level.is_known || is_code || level.value < 1 || level.value > 3) continue;
        if (read_text(r, path)) continue;
        double size = strtod(r->text.data, &unit);
        size *= *unit == 'K' ? 1024 : *unit == 'M' ? 1 << 20 : 1;
        *levels[(size_t)level.value - 1] = mu_fact_of(size);
    }
}

/* System */

/* "always [madvise] never" chose madvise. */
static mu_text_fact chosen(reader *r, const char *path) {
    const char *why = read_text(r, path);
    const char *begin = why ? NULL : strchr(r->text.data, '[');
    const char *end = begin ? strchr(begin, ']') : NULL;
    return end ? mu_text_fact_of(begin + 1, (size_t)(end - begin - 1))
               : mu_text_fact_unknown(why ? why : NOT_TOLD);
}

static mu_text_fact hash(reader *r, const char *path) {
    const char *why = read_text(r, path);
    if (why) return mu_text_fact_unknown(why);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < r->text.n; i++) {
        h = (h ^ (unsigned char)r->text.data[i]) * 0x100000001b3u;
    }
    char digits[20];
    int n = snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)h);
    return mu_text_fact_of(digits, (size_t)n);
}

/* A kernel that can name anonymous regions says so when asked to name none. */
static mu_fact has_anon_names(void) {
#ifdef PR_SET_VMA
    return mu_fact_of(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0UL, 0UL, 0UL) == 0);
#else
    return mu_fact_unknown("built without it");
#endif
}

static void read_dmi(reader *r) {
    mu_text_fact vendor = text(r, "/sys/class/dmi/id/sys_vendor");
    mu_text_fact product = text(r, "/sys/class/dmi/id/product_name");
    r->m->dmi = vendor;
    if (!vendor.is_known || !product.is_known) return;
    char both[2 * sizeof(vendor.text)];
    int n = snprintf(both, sizeof(both), "%s %s", vendor.text, product.text);
    r->m->dmi = mu_text_fact_of(both, (size_t)n);
}

static void read_system(reader *r) {
    mu_machine *m = r->m;
    m->kernel = text(r, "/proc/sys/kernel/osrelease");
    m->kernel_command_line_hash = hash(r, "/proc/cmdline");
    const char *why = read_text(r, "/etc/os-release");
    m->os = line_text(why, r->text.data, "PRETTY_NAME", '=');
    const char *libc = gnu_get_libc_version();
    char name[32];
    int n = snprintf(name, sizeof(name), "glibc %s", libc);
    m->libc = mu_text_fact_of(name, (size_t)n);
    m->clocksource = text(r, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    m->thp = chosen(r, "/sys/kernel/mm/transparent_hugepage/enabled");
    m->thp_defrag = chosen(r, "/sys/kernel/mm/transparent_hugepage/defrag");
    m->swappiness = number(r, "/proc/sys/vm/swappiness");
    m->overcommit = number(r, "/proc/sys/vm/overcommit_memory");
    m->aslr = number(r, "/proc/sys/kernel/randomize_va_space");
    m->anon_names = has_anon_names();
    read_dmi(r);
}

static mu_fact or_no_limit(double value) {
    return value > 0 ? mu_fact_of(value) : mu_fact_unknown("no limit");
}

static void read_limits(reader *r) {
    mu_machine *m = r->m;
    const char *why = read_text(r, "/proc/meminfo");
    static const struct {
        const char *key;
        size_t offset;
    } rows[] = {{"MemTotal", offsetof(mu_machine, memory_bytes)},
                {"MemAvailable", offsetof(mu_machine, memory_available_bytes)},
                {"SwapTotal", offsetof(mu_machine, swap_bytes)}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_fact fact = why ? mu_fact_unknown(why) : mu_proc_field(r->text.data, rows[i].key);
        fact.value *= 1024;
        *(mu_fact *)(void *)((char *)m + rows[i].offset) = fact;
    }
    bool is_v2 = read_text(r, "/sys/fs/cgroup/cgroup.controllers") == NULL;
    bool is_v1 = read_text(r, "/sys/fs/cgroup/memory/memory.limit_in_bytes") == NULL;
    m->cgroup_version = is_v2   ? mu_fact_of(2)
                        : is_v1 ? mu_fact_of(1)
                                : mu_fact_unknown("no cgroups are mounted");
    mu_cpu_facts cpu;
    mu_cpu_facts_read_from(r->root, &cpu);
    m->cgroup_cpus = or_no_limit(cpu.quota);
    m->cgroup_memory_bytes = or_no_limit((double)cpu.memory_limit_bytes);
    struct rlimit files;
    m->open_files_max = mu_fact_unknown("not told by this system");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        m->open_files_max = files.rlim_cur == RLIM_INFINITY ? mu_fact_unknown("no limit")
                                                            : mu_fact_of((double)files.rlim_cur);
    }
}

static void read_environment(mu_machine *m) {
    static const char *const prefixes[] = {"MUAI_",          "OMP_",       "KMP_",      "GOMP_",
                                           "MKL_",           "BLIS_",      "OPENBLAS_", "MALLOC_",
                                           "GLIBC_TUNABLES", "LD_PRELOAD", "CUDA_",     "VLLM_"};
    for (char **entry = environ; entry && *entry; entry++) {
        for (size_t i = 0; i < MU_COUNTOF(prefixes); i++) {
            if (strncmp(*entry, prefixes[i], strlen(prefixes[i])) != 0) continue;
            if (m->n_environment == MU_MACHINE_ENV_MAX) return;
            char *name = m->environment[m->n_environment++];
            snprintf(name, sizeof(m->environment[0]), "%.*s", (int)strcspn(*entry, "="), *entry);
            break;
        }
    }
}

void mu_machine_read_from(const char *root, mu_machine *out) {
    memset(out, 0, sizeof(*out));
    reader r = {.root = root, .m = out};
    read_cpuinfo(&r);
    read_topology(&r);
    read_frequency(&r);
    read_caches(&r);
    read_system(&r);
    read_limits(&r);
    read_environment(out);
    mu_buf_deinit(&r.text);
}

void mu_machine_read(mu_machine *out) {
    mu_machine_read_from("", out);
}

json_t *mu_machine_json(const mu_machine *machine) {
#define TEXT(member)   #member, true, offsetof(mu_machine, member)
#define NUMBER(member) #member, false, offsetof(mu_machine, member)
    static const struct {
        const char *name;
        bool is_text;
        size_t offset;
    } rows[] = {
        {TEXT(cpu_model)},
        {TEXT(cpu_vendor)},
        {TEXT(cpu_flags)},
        {TEXT(microcode)},
        {NUMBER(n_cpus_online)},
        {NUMBER(n_cpus_allowed)},
        {TEXT(cpus_allowed)},
        {NUMBER(n_cores)},
        {NUMBER(n_sockets)},
        {NUMBER(n_numa_nodes)},
        {TEXT(smt)},
        {TEXT(governor)},
        {TEXT(turbo)},
        {NUMBER(frequency_max_mhz)},
        {NUMBER(cache_l1d_bytes)},
        {NUMBER(cache_l2_bytes)},
        {NUMBER(cache_l3_bytes)},
        {TEXT(kernel)},
        {TEXT(kernel_command_line_hash)},
        {TEXT(os)},
        {TEXT(libc)},
        {TEXT(clocksource)},
        {TEXT(thp)},
        {TEXT(thp_defrag)},
        {NUMBER(swappiness)},
        {NUMBER(overcommit)},
        {NUMBER(aslr)},
        {NUMBER(anon_names)},
        {TEXT(virtualization)},
        {TEXT(dmi)},
        {NUMBER(memory_bytes)},
        {NUMBER(memory_available_bytes)},
        {NUMBER(swap_bytes)},
        {NUMBER(cgroup_version)},
        {NUMBER(cgroup_cpus)},
        {NUMBER(cgroup_memory_bytes)},
        {NUMBER(open_files_max)},
    };
#undef TEXT
#undef NUMBER
    json_t *json = json_object();
    for (size_t i = 0; json && i < MU_COUNTOF(rows); i++) {
        const void *at = (const char *)machine + rows[i].offset;
        if (rows[i].is_text) mu_text_fact_set_json(json, rows[i].name, at);
        if (!rows[i].is_text) mu_fact_set_json(json, rows[i].name, at);
    }
    json_t *names = json_array();
    for (uint32_t i = 0; i < machine->n_environment; i++) {
        json_array_append_new(names, json_string(machine->environment[i]));
    }
    if (json) json_object_set_new(json, "environment", names);
    if (!json) json_decref(names);
    return json;
}
