#include "bench/probe/load_state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/probe/proc_file.h"

static const char NOT_TOLD[] = "not told by this kernel";

/* Parsers */

static mu_fact word_number(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        unsigned long long number;
        if (strncmp(line, word, n) == 0 && line[n] == ' ' && sscanf(line + n, "%llu", &number) == 1)
            return mu_fact_of((double)number);
    }
    return mu_fact_unknown(NOT_TOLD);
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guests are in user. */
void mu_proc_cpu_parse(const char *text, double ticks_per_s, mu_load_counters *out) {
    double t[8] = {0};
    int n = ticks_per_s > 0.0 && strncmp(text, "cpu ", 4) == 0
                ? sscanf(text + 4, "%lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3],
                         &t[4], &t[5], &t[6], &t[7])
                : 0;
    out->busy_s = out->idle_s = out->steal_s = mu_fact_unknown(NOT_TOLD);
    if (n >= 7) {
        out->busy_s = mu_fact_of((t[0] + t[1] + t[2] + t[5] + t[6]) / ticks_per_s);
        out->idle_s = mu_fact_of((t[3] + t[4]) / ticks_per_s);
    }
    if (n == 8) out->steal_s = mu_fact_of(t[7] / ticks_per_s);
    out->switches = word_number(text, "ctxt");
    out->running = word_number(text, "procs_running");
}

mu_fact mu_pressure_parse(const char *text) {
    const char *some = strncmp(text, "some ", 5) == 0 ? text : strstr(text, "\nsome ");
    const char *total = some ? strstr(some, "total=") : NULL;
    const char *end = some ? strchr(some + 1, '\n') : NULL;
    unsigned long long us;
    if (!total || (end && total > end) || sscanf(total, "total=%llu", &us) != 1) {
        return mu_fact_unknown(NOT_TOLD);
    }
    return mu_fact_of((double)us);
}

/* Reading */

static mu_fact read_pressure(const char *what, mu_buf *text) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/pressure/%s", what);
    const char *why = mu_proc_file_read(path, text);
    return why ? mu_fact_unknown(why) : mu_pressure_parse(text->data);
}

/* The mean, sum or largest of a file that every CPU has, with what it is called in CPU's folder. */
typedef struct per_cpu {
    double sum, n;
    const char *why;
} per_cpu;

static per_cpu read_per_cpu(const char *name) {
    per_cpu result = {0};
    long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
    for (long cpu = 0; cpu < n_cpus; cpu++) {
        char path[128];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/%s", cpu, name);
        mu_fact fact = mu_proc_file_number(path);
        if (!fact.is_known) {
            result.why = fact.why;
            continue;
        }
        result.sum += fact.value;
        result.n++;
    }
    return result;
}

static mu_fact read_temperature(void) {
    DIR *folder = opendir("/sys/class/thermal");
    mu_fact hottest = mu_fact_unknown("not told by this system");
    if (!folder) return hottest;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "thermal_zone", 12) != 0) continue;
        char path[320];
        snprintf(path, sizeof(path), "/sys/class/thermal/%s/temp", entry->d_name);
        mu_fact zone = mu_proc_file_number(path);
        if (!zone.is_known) continue;
        zone.value /= 1e3;
        if (!hottest.is_known || zone.value > hottest.value) hottest = zone;
    }
    closedir(folder);
    return hottest;
}

/* The folder of our cgroup of a controller ("": version 2), under the usual mount. */
static bool cgroup_folder(const char *controller, mu_buf *text, char *out, size_t cap) {
    if (mu_proc_file_read("/proc/self/cgroup", text)) return false;
    char key[32];
    snprintf(key, sizeof(key), ":%s:", controller);
    const char *found = strstr(text->data, key);
    if (!found) return false;
    found += strlen(key);
    snprintf(out, cap, "/sys/fs/cgroup%s%s%.*s", controller[0] ? "/" : "", controller,
             (int)strcspn(found, "\n"), found);
    return true;
}

static mu_fact read_cgroup_throttled(mu_buf *text) {
    static const struct {
        const char *controller, *key;
        double per_us;
    } versions[] = {{"", "throttled_usec", 1}, {"cpu", "throttled_time", 1000}};
    char folder[512], path[600];
    for (size_t i = 0; i < MU_COUNTOF(versions); i++) {
        if (!cgroup_folder(versions[i].controller, text, folder, sizeof(folder))) continue;
        snprintf(path, sizeof(path), "%s/cpu.stat", folder);
        if (mu_proc_file_read(path, text)) continue;
        mu_fact fact = word_number(text->data, versions[i].key);
        fact.value /= versions[i].per_us;
        if (fact.is_known) return fact;
    }
    return mu_fact_unknown("our cgroup has no CPU quota that counts");
}

void mu_load_counters_read(mu_load_counters *out) {
    mu_buf text = {0};
    mu_load_counters c = {.at_ns = mu_now_ns()};
    mu_proc_file_read("/proc/stat", &text);
    mu_proc_cpu_parse(text.data ? text.data : "", (double)sysconf(_SC_CLK_TCK), &c);
    c.stalled_cpu_us = read_pressure("cpu", &text);
    c.stalled_io_us = read_pressure("io", &text);
    c.stalled_memory_us = read_pressure("memory", &text);
    per_cpu khz = read_per_cpu("cpufreq/scaling_cur_freq");
    c.frequency_mhz = khz.n > 0 ? mu_fact_of(khz.sum / khz.n / 1e3) : mu_fact_unknown(khz.why);
    per_cpu throttled = read_per_cpu("thermal_throttle/core_throttle_count");
    c.throttled = throttled.n > 0 ? mu_fact_of(throttled.sum) : mu_fact_unknown(throttled.why);
    c.temperature_c = read_temperature();
    c.cgroup_throttled_us = read_cgroup_throttled(&text);
    mu_buf_deinit(&text);
    *out = c;
}

/* Shares */

static mu_fact rate(mu_fact begin, mu_fact end, double per) {
    mu_fact change = mu_fact_subtract(end, begin);
    if (change.is_known && per <= 0.0) return mu_fact_unknown("the interval is empty");
    change.value = change.is_known ? change.value / per : 0.0;
    return change;
}

/* Of a whole. Idle and iowait time of a tickless kernel go back a little at times, and would make
 * the rest more than everything. */
static mu_fact share(mu_fact begin, mu_fact end, double whole) {
    mu_fact fact = rate(begin, end, whole);
    if (fact.value < 0.0) fact.value = 0.0;
    if (fact.value > 1.0) fact.value = 1.0;
    return fact;
}

mu_load_state mu_load_between(const mu_load_counters *begin, const mu_load_counters *end) {
    double s = (double)(end->at_ns - begin->at_ns) / 1e9;
    mu_fact all_begin = mu_fact_add(begin->busy_s, begin->idle_s);
    mu_fact all_end = mu_fact_add(end->busy_s, end->idle_s);
    if (begin->steal_s.is_known && end->steal_s.is_known) {
        all_begin = mu_fact_add(all_begin, begin->steal_s);
        all_end = mu_fact_add(all_end, end->steal_s);
    }
    double cpu_s = mu_fact_subtract(all_end, all_begin).value;
    return (mu_load_state){
        .seconds = s,
        .busy = share(begin->busy_s, end->busy_s, cpu_s),
        .steal = share(begin->steal_s, end->steal_s, cpu_s),
        .switches_per_s = rate(begin->switches, end->switches, s),
        .stalled_cpu = share(begin->stalled_cpu_us, end->stalled_cpu_us, s * 1e6),
        .stalled_io = share(begin->stalled_io_us, end->stalled_io_us, s * 1e6),
        .stalled_memory = share(begin->stalled_memory_us, end->stalled_memory_us, s * 1e6),
        .frequency_mhz = end->frequency_mhz,
        .throttled = mu_fact_subtract(end->throttled, begin->throttled),
        .temperature_c = end->temperature_c,
        .cgroup_throttled = share(begin->cgroup_throttled_us, end->cgroup_throttled_us, s * 1e6),
    };
}

json_t *mu_load_state_json(const mu_load_state *state) {
    const struct {
        const char *name;
        const mu_fact *fact;
    } rows[] = {
        {"busy", &state->busy},
        {"steal", &state->steal},
        {"switches_per_s", &state->switches_per_s},
        {"stalled_cpu", &state->stalled_cpu},
        {"stalled_io", &state->stalled_io},
        {"stalled_memory", &state->stalled_memory},
        {"frequency_mhz", &state->frequency_mhz},
        {"throttled", &state->throttled},
        {"temperature_c", &state->temperature_c},
        {"cgroup_throttled", &state->cgroup_throttled},
    };
    json_t *json = json_object();
    if (json) json_object_set_new(json, "seconds", json_real(state->seconds));
    for (size_t i = 0; json && i < MU_COUNTOF(rows); i++) {
        mu_fact_set_json(json, rows[i].name, rows[i].fact);
    }
    return json;
}
