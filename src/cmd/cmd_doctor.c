#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "backend/machine.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "eval/machine_rates.h"

enum { GPUS_MAX = 16 };

/* One GPU; without a measurement its rates are zero. */
typedef struct gpu_finding {
    mu_gpu gpu;
    mu_machine_rates rates;
} gpu_finding;

typedef struct findings {
    mu_cpu_facts cpu;
    const mu_cpu_level *isa_max; /* MUAI_ISA */
    const char *best_isa;
    char huge_pages[16]; /* "always", "madvise", "never" or "" */
    bool is_measured;
    mu_machine_rates rates;
    gpu_finding gpus[GPUS_MAX];
    uint32_t n_gpus;
    mu_err no_gpu; /* why there is none */
    const char *warnings[8];
    uint32_t n_warnings;
} findings;

/* "always [madvise] never": the one in brackets is in force. */
static void read_huge_pages(char *out, size_t cap) {
    char text[128] = "";
    out[0] = '\0';
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (!file) return;
    char *open = fgets(text, sizeof(text), file) ? strchr(text, '[') : NULL;
    if (open) snprintf(out, cap, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
    fclose(file);
}

static void judge(findings *f) {
    if (f->cpu.quota > 0.0 && f->cpu.quota < 1.0) {
        f->warnings[f->n_warnings++] =
            "the cgroup quota is below one core: the process will be stopped in every period";
    }
    if (strcmp(f->best_isa, "ref") == 0) {
        f->warnings[f->n_warnings++] = "no AVX2: only the portable kernels run, many times slower";
    }
    if (strcmp(f->huge_pages, "never") == 0) {
        f->warnings[f->n_warnings++] =
            "huge pages are off (transparent_hugepage/enabled): decode is a few percent slower";
    }
    if (f->cpu.memory_available_bytes < UINT64_C(1) << 30) {
        f->warnings[f->n_warnings++] = "less than 1 GiB of memory is available";
    }
}

static mu_status examine_gpus(findings *f, bool is_quick, mu_err *err) {
    uint32_t n = 0;
    if (mu_gpu_count(&n, &f->no_gpu) != MU_OK) return MU_OK;
    f->n_gpus = n < GPUS_MAX ? n : GPUS_MAX;
    for (uint32_t i = 0; i < f->n_gpus; i++) {
        mu_device_id device = {MU_DEVICE_CUDA, i};
        mu_status status = mu_gpu_read(i, &f->gpus[i].gpu, err);
        if (status == MU_OK && !is_quick) {
            status = mu_machine_rates_measure(device, 1, f->isa_max, &f->gpus[i].rates, err);
        }
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

static mu_status examine(findings *f, bool is_quick, mu_err *err) {
    mu_cpu_facts_read(&f->cpu);
    read_huge_pages(f->huge_pages, sizeof(f->huge_pages));
    mu_status status = mu_isa_read(&f->isa_max, err);
    if (status != MU_OK) return status;
    f->best_isa = mu_isa_best(f->isa_max);
    if (!is_quick) {
        status = mu_machine_rates_measure((mu_device_id){0}, f->cpu.n_usable, f->isa_max, &f->rates,
                                          err);
        if (status != MU_OK) return status;
        f->is_measured = true;
    }
    judge(f);
    return examine_gpus(f, is_quick, err);
}

/* GPT-2 124M reads 123.7 million values of its matrices a token. */
static double gpt2_decode_limit(const findings *f, double bytes_per_value) {
    return f->rates.dram_gb_s * 1e9 / (123.7e6 * bytes_per_value);
}

/* absent: what to say of a rate that is 0; NULL: nothing. */
static void print_rates(const char *indent, const mu_machine_rates *rates, const char *absent) {
    for (uint32_t i = 0; i < MU_N_RATES; i++) {
        mu_rate rate = mu_rate_get(rates, i);
        int width = 14 - (int)strlen(indent);
        if (rate.value > 0.0) {
            printf("%s%-*s%.1f %s\n", indent, width, rate.name, rate.value, rate.unit);
        } else if (absent) {
            printf("%s%-*s%s\n", indent, width, rate.name, absent);
        }
    }
}

static void print_gpus(const findings *f) {
    if (f->n_gpus == 0) {
        printf("GPU           none: %s\n", f->no_gpu.text);
        return;
    }
    for (uint32_t i = 0; i < f->n_gpus; i++) {
        const mu_gpu *gpu = &f->gpus[i].gpu;
        printf("cuda:%-9u%s (%s), %u multiprocessors, %.1f GiB, %.1f GiB free\n", i, gpu->name,
               gpu->arch, gpu->n_multiprocessors, (double)gpu->memory_bytes / 0x1p30,
               (double)gpu->memory_free_bytes / 0x1p30);
        if (f->is_measured) print_rates("  ", &f->gpus[i].rates, NULL);
    }
}

static void print_text(const findings *f) {
    const mu_cpu_facts *c = &f->cpu;
    printf("CPU           %s\n", c->name[0] ? c->name : "unknown");
    printf("kernels       %s\n", f->best_isa);
    printf("cores         %u may be used, limited by the %s (machine %u, affinity %u, ",
           c->n_usable, c->limited_by, c->n_online, c->n_affinity);
    if (c->quota > 0.0) {
        printf("quota %.2f)\n", c->quota);
    } else {
        printf("no quota)\n");
    }
    printf("memory        %.1f GiB, %.1f GiB available", (double)c->memory_bytes / 0x1p30,
           (double)c->memory_available_bytes / 0x1p30);
    if (c->memory_limit_bytes > 0) {
        printf(", cgroup limit %.1f GiB", (double)c->memory_limit_bytes / 0x1p30);
    }
    printf("\nhuge pages    %s\n", f->huge_pages[0] ? f->huge_pages : "unknown");
    if (f->is_measured) {
        print_rates("", &f->rates, "not on this CPU");
        printf(
            "GPT-2 124M    one sequence cannot decode faster than about %.0f tok/s in f32, %.0f in "
            "bf16\n",
            gpt2_decode_limit(f, 4), gpt2_decode_limit(f, 2));
    }
    print_gpus(f);
    printf("--device auto %s\n", f->n_gpus > 0 ? "cuda:0, the first GPU" : "cpu, there is no GPU");
    for (uint32_t i = 0; i < f->n_warnings; i++) {
        printf("warning       %s\n", f->warnings[i]);
    }
    printf("verdict       %s\n", f->n_warnings == 0 ? "ready" : "works, see the warnings");
}

static json_t *gpu_json(const findings *f, const gpu_finding *g) {
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:I, s:I}", "name", g->gpu.name, "arch", g->gpu.arch, "pci_bus_id",
        g->gpu.pci_bus_id, "multiprocessors", (int)g->gpu.n_multiprocessors, "memory_bytes",
        (json_int_t)g->gpu.memory_bytes, "memory_free_bytes", (json_int_t)g->gpu.memory_free_bytes);
    if (f->is_measured) mu_rates_json(&g->rates, json);
    return json;
}

static void add_gpus(const findings *f, json_t *to) {
    json_t *gpus = json_array();
    for (uint32_t i = 0; i < f->n_gpus; i++) {
        json_array_append_new(gpus, gpu_json(f, &f->gpus[i]));
    }
    json_object_set_new(to, "gpus", gpus);
    if (f->n_gpus == 0) json_object_set_new(to, "no_gpu", json_string(f->no_gpu.text));
    json_object_set_new(to, "device_auto", json_string(f->n_gpus > 0 ? "cuda:0" : "cpu"));
}

static mu_status print_json(const findings *f, mu_err *err) {
    const mu_cpu_facts *c = &f->cpu;
    json_t *warnings = json_array();
    for (uint32_t i = 0; i < f->n_warnings; i++) {
        json_array_append_new(warnings, json_string(f->warnings[i]));
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:f, s:s, s:I, s:I, s:I, s:s, s:o}", "cpu", c->name, "isa",
        f->best_isa, "cores_usable", (int)c->n_usable, "cores_online", (int)c->n_online,
        "cores_affinity", (int)c->n_affinity, "cgroup_quota_cores", c->quota, "limited_by",
        c->limited_by, "memory_bytes", (json_int_t)c->memory_bytes, "memory_available_bytes",
        (json_int_t)c->memory_available_bytes, "memory_limit_bytes",
        (json_int_t)c->memory_limit_bytes, "huge_pages", f->huge_pages, "warnings", warnings);
    if (f->is_measured) mu_rates_json(&f->rates, json);
    if (json) add_gpus(f, json);
    return mu_print_json(json, JSON_INDENT(2), err);
}

int mu_cmd_doctor(int argc, char **argv) {
    bool json = false, quick = false;
    const mu_option options[] = {
        {"quick", 0, MU_OPTION_FLAG, &quick, 0, 0, NULL, "do not measure memory and arithmetic"},
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "one JSON object"},
    };
    const mu_command_line line = {
        .command = "doctor",
        .usage = "",
        .about = "Say what this machine can do, what the program will use of it, and why.",
        .examples = "  muai doctor\n  MUAI_ISA=avx2 muai doctor --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
    };
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, NULL, &n_positional, &code)) return code;
    findings f = {0};
    mu_err err;
    mu_status status = examine(&f, quick, &err);
    if (status == MU_OK && json) status = print_json(&f, &err);
    if (status != MU_OK) return mu_report("doctor", &err);
    if (!json) print_text(&f);
    return MU_EXIT_OK;
}
