/* Rules about the machine: settings that make figures worse or unsteady. */
#include <math.h>
#include <string.h>

#include "bench/judge/finding.h"

/* The chosen word of a setting, lower case; "" when it is not known. */
static bool is_set_to(const mu_case *c, const char *key, const char *word) {
    return strcmp(mu_document_text(c->host, key), word) == 0;
}

static bool governor_saves(const mu_case *c, mu_finding *out) {
    const char *governor = mu_document_text(c->host, "governor");
    if (governor[0] == '\0' || strcmp(governor, "performance") == 0) return false;
    mu_buf_printf(&out->finding, "the frequency governor is \"%s\"", governor);
    mu_buf_append_str(&out->action, "cpupower frequency-set -g performance, then measure again");
    mu_finding_cite(out, "host", "");
    return true;
}

static bool huge_pages_are_off(const mu_case *c, mu_finding *out) {
    if (!is_set_to(c, "thp", "never")) return false;
    mu_buf_append_str(&out->finding,
                      "transparent huge pages are off; weights are read from end to end "
                      "for every token");
    mu_buf_append_str(
        &out->action,
        "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled: weights and KV cache "
        "ask for them");
    mu_finding_cite(out, "host", "");
    return true;
}

/* Mean of a timeline column; NAN when there is none. */
static double timeline_mean(const json_t *cell, const char *column) {
    const json_t *columns = mu_document_at(cell, "timeline.columns");
    const json_t *rows = mu_document_at(cell, "timeline.rows");
    double sum = 0.0;
    size_t n = 0;
    for (size_t k = 0; k < json_array_size(columns); k++) {
        const char *name = json_string_value(json_array_get(columns, k));
        if (!name || strcmp(name, column) != 0) continue;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *value = json_array_get(json_array_get(rows, i), k);
            if (!json_is_number(value)) continue;
            sum += json_number_value(value);
            n++;
        }
    }
    return n > 0 ? sum / (double)n : NAN;
}

static bool cpu_is_stolen(const mu_case *c, mu_finding *out) {
    const json_t *cell, *most = NULL;
    double steal = 0.005;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double mean = timeline_mean(cell, "steal");
        if (!(mean > steal)) continue;
        steal = mean;
        most = cell;
    }
    if (!most) return false;
    mu_buf_printf(&out->finding, "%.2g%% of the CPU time went to other guests of the host",
                  100.0 * steal);
    mu_buf_append_str(&out->action,
                      "measure at another hour or with dedicated cores; tails are theirs");
    mu_finding_cite_cell(out, most);
    return true;
}

static bool is_virtual(const mu_case *c, mu_finding *out) {
    const char *kind = mu_document_text(c->host, "virtualization");
    if (kind[0] == '\0' || strcmp(kind, "bare metal") == 0 || strcmp(kind, "none") == 0)
        return false;
    mu_buf_printf(&out->finding,
                  "a virtual machine (%s): neighbours and the hypervisor are not seen", kind);
    mu_buf_append_str(&out->action,
                      "compare only runs of the same instance, interleaved; repeat on "
                      "another day");
    mu_finding_cite(out, "host", "");
    return true;
}

static bool quota_is_fractional(const mu_case *c, mu_finding *out) {
    double quota = mu_document_number(c->host, "cgroup_cpus");
    if (!(quota > 0.0) || quota == floor(quota)) return false;
    mu_buf_printf(&out->finding, "the cgroup quota is %.3g cores", quota);
    mu_buf_printf(&out->action,
                  "a whole number: of a part of a core all threads are stopped together; "
                  "%.0f, or --threads %.0f",
                  ceil(quota), fmax(1.0, floor(quota)));
    mu_finding_cite(out, "host", "");
    return true;
}

const mu_rule_row mu_rules_host[] = {
    {{"R-HOST-03", "machine", "Steal is above 0.5% of the CPU time over a cell."},
     "warning",
     "CPU time is stolen",
     "measured",
     cpu_is_stolen},
    {{"R-HOST-01", "machine", "The frequency governor is known and not \"performance\"."},
     "advice",
     "The CPU saves power",
     "rule of thumb",
     governor_saves},
    {{"R-HOST-02", "machine", "Transparent huge pages are \"never\"."},
     "advice",
     "Huge pages are off",
     "rule of thumb",
     huge_pages_are_off},
    {{"R-HOST-05", "machine", "The cgroup quota is not a whole number of cores."},
     "advice",
     "The CPU quota is fractional",
     "rule of thumb",
     quota_is_fractional},
    {{"R-HOST-04", "machine", "The machine is virtual."},
     "info",
     "This is a virtual machine",
     "rule of thumb",
     is_virtual},
};
const size_t mu_n_rules_host = MU_COUNTOF(mu_rules_host);
