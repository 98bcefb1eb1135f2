/* The suites that measure a server: latency, throughput, rate, memory, soak, stress, all. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/report/report.h"
#include "bench/suite/bench.h"
#include "cmd/bench_folder.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/history_file.h"
#include "cmd/options.h"
#include "cmd/own_model.h"
#include "hub/builtin.h"

enum {
    RUNS_FULL = 5,
    BLOCKS_DEFAULT = 8,
    AGREEMENT_DEFAULT = 512,
    NAME_MAX_BYTES = 40,
    COMMAND_WORDS_MAX = 64
};

typedef struct suite_options {
    const char *model, *target_model, *api_key, *shape, *rate, *arrivals, *slo, *targets, *device,
        *dtype, *kv, *server_cpus, *client_cpus, *output, *history;
    mu_texts target, serve_arg;
    mu_list target_pid, clients;
    uint32_t threads, parallel, requests, runs, blocks, agreement;
    float seconds, budget, steal_limit;
    uint64_t seed;
    bool quick, chat, text_prompts, no_stream, keep_cache, prompt_lookup, no_instrument, no_targets,
        no_history, insecure, json, quiet;
} suite_options;

/* Everything that lives as long as a run. */
typedef struct suite_run {
    const suite_options *o;
    mu_bench_folder folder;
    char program[MU_BENCH_FOLDER_PATH];
    mu_own own;
    mu_system_options systems[MU_SYSTEMS_MAX];
    uint32_t n_systems;
    char names[MU_SYSTEMS_MAX][NAME_MAX_BYTES]; /* of targets */
    char threads_text[16], parallel_text[16];
    char words[COMMAND_WORDS_MAX][MU_URL_TEXT_MAX]; /* of the command, without secrets */
    const char *command[COMMAND_WORDS_MAX];
    mu_targets *targets;
    mu_progress progress;
    mu_bench_options bench;
} suite_run;

static const struct {
    const char *name;
    mu_suite suite;
} suites[] = {{"latency", MU_SUITE_LATENCY}, {"throughput", MU_SUITE_THROUGHPUT},
              {"rate", MU_SUITE_RATE},       {"memory", MU_SUITE_MEMORY},
              {"soak", MU_SUITE_SOAK},       {"stress", MU_SUITE_STRESS},
              {"all", MU_SUITE_ALL}};

/* "300", "300ms", "0.3s" as milliseconds. */
static bool parse_ms(const char *text, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value > 0)) return false;
    if (strcmp(end, "s") == 0) value *= 1000;
    if (*end != '\0' && strcmp(end, "ms") != 0 && strcmp(end, "s") != 0) return false;
    *out = value;
    return true;
}

/* "ttft=300ms,tpot=33ms,attain=0.99" */
static mu_status parse_slo(const char *text, mu_slo *out, mu_err *err) {
    mu_slo slo = {NAN, NAN, 0.99};
    char copy[160];
    if (strlen(text) >= sizeof(copy)) return mu_fail(err, MU_ERR_INVALID, "--slo: too long");
    snprintf(copy, sizeof(copy), "%s", text);
    char *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(word, '=');
        if (value) *value++ = '\0';
        bool is_good = false;
        if (value && strcmp(word, "ttft") == 0) is_good = parse_ms(value, &slo.ttft_ms);
        if (value && strcmp(word, "tpot") == 0) is_good = parse_ms(value, &slo.tpot_ms);
        if (value && strcmp(word, "attain") == 0) {
            slo.attain = strtod(value, NULL);
            is_good = slo.attain > 0 && slo.attain < 1;
        }
        if (!is_good) {
            return mu_fail(err, MU_ERR_INVALID,
                           "--slo: \"%.40s\" is not one of ttft=MS, tpot=MS, attain=SHARE", word);
        }
    }
    *out = slo;
    return MU_OK;
}

static mu_status parse_rates(const char *text, mu_plan_options *plan, mu_err *err) {
    for (const char *at = text; *at;) {
        char *end;
        double rate = strtod(at, &end);
        if (end == at || !(rate > 0) || (*end != ',' && *end != '\0')) {
            return mu_fail(err, MU_ERR_INVALID, "--rate: \"%.40s\" is not a list of numbers", at);
        }
        if (plan->n_rates == MU_PLAN_LIST_MAX) {
            return mu_fail(err, MU_ERR_LIMIT, "--rate: at most %d", MU_PLAN_LIST_MAX);
        }
        plan->rates[plan->n_rates++] = rate;
        at = *end ? end + 1 : end;
    }
    return MU_OK;
}

static mu_status read_plan(suite_run *r, mu_err *err) {
    const suite_options *o = r->o;
    mu_plan_options *plan = &r->bench.plan;
    mu_status status = MU_OK;
    plan->is_quick = o->quick;
    plan->seconds = o->seconds;
    plan->n_requests = o->requests;
    plan->no_stream = o->no_stream;
    plan->keep_cache = o->keep_cache;
    plan->n_clients = o->clients.n;
    memcpy(plan->clients, o->clients.items, sizeof(plan->clients));
    if (o->shape) status = mu_shape_parse_list(o->shape, plan->shapes, &plan->n_shapes, err);
    if (status == MU_OK) status = mu_arrivals_parse(o->arrivals, &plan->arrivals, err);
    if (status == MU_OK && o->rate) status = parse_rates(o->rate, plan, err);
    if (status == MU_OK) status = parse_slo(o->slo, &r->bench.slo, err);
    if (status == MU_OK && o->targets) status = mu_targets_load(o->targets, &r->targets, err);
    return status;
}

static void add_arg(mu_system_options *s, const char *name, const char *value) {
    if (s->n_serve_args + 2 > MU_SERVE_ARGS_MAX) return;
    s->serve_args[s->n_serve_args++] = name;
    if (value) s->serve_args[s->n_serve_args++] = value;
}

static mu_status add_own_system(suite_run *r, mu_err *err) {
    const suite_options *o = r->o;
    mu_system_options *s = &r->systems[r->n_systems++];
    const mu_placement_options where = {.device = o->device, .dtype = o->dtype, .kv = o->kv};
    mu_status status = mu_own_open(&r->own, o->model, &where, err);
    if (status != MU_OK) return status;
    ssize_t n = readlink("/proc/self/exe", r->program, sizeof(r->program) - 1);
    if (n <= 0) return mu_fail_os(err, MU_ERR_IO, "/proc/self/exe");
    *s = (mu_system_options){.own = &r->own.facts,
                             .program = r->program,
                             .cpus = o->server_cpus,
                             .output_path = r->folder.log_path};
    const mu_placement *p = &r->own.placement;
    if (p->device.kind != MU_DEVICE_CPU) s->gpu_pci_bus_id = p->gpu.pci_bus_id;
    if (strcmp(o->device, "cpu") != 0) add_arg(s, "--device", o->device);
    if (strcmp(o->dtype, "auto") != 0) add_arg(s, "--dtype", o->dtype);
    if (strcmp(o->kv, "auto") != 0) add_arg(s, "--kv", o->kv);
    if (o->threads > 0) {
        snprintf(r->threads_text, sizeof(r->threads_text), "%u", o->threads);
        add_arg(s, "--threads", r->threads_text);
    }
    snprintf(r->parallel_text, sizeof(r->parallel_text), "%u", o->parallel);
    add_arg(s, "--parallel", r->parallel_text);
    /* Random weights repeat themselves, and drafts from the text would look better than life. */
    if (r->own.facts.is_synthetic && !o->prompt_lookup) add_arg(s, "--no-prompt-lookup", NULL);
    for (uint32_t i = 0; i < o->serve_arg.n; i++) {
        add_arg(s, o->serve_arg.items[i], NULL);
    }
    return MU_OK;
}

/* Of "NAME=URL"; NULL: there is none. */
static const char *take_name(const char **target, char out[NAME_MAX_BYTES]) {
    size_t n = strcspn(*target, "=:/?#[@"); /* a URL has one of the others first */
    if ((*target)[n] != '=' || n == 0 || n >= NAME_MAX_BYTES) return NULL;
    snprintf(out, NAME_MAX_BYTES, "%.*s", (int)n, *target);
    *target += n + 1;
    return out;
}

static mu_status add_systems(suite_run *r, mu_err *err) {
    const suite_options *o = r->o;
    mu_status status = MU_OK;
    if (o->target.n == 0 || o->model) status = add_own_system(r, err);
    if (r->n_systems + o->target.n > MU_SYSTEMS_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "--target: at most %d servers", MU_SYSTEMS_MAX);
    }
    for (uint32_t i = 0; i < o->target.n; i++) {
        const char *url = o->target.items[i];
        r->systems[r->n_systems++] = (mu_system_options){
            .name = take_name(&url, r->names[i]),
            .url = url,
            .pid = i < o->target_pid.n ? (pid_t)o->target_pid.items[i] : 0,
        };
    }
    for (uint32_t i = 0; i < r->n_systems; i++) {
        r->systems[i].id[0] = (char)('a' + i);
        r->systems[i].api_key = o->api_key;
        r->systems[i].model_id = r->systems[i].own ? NULL : o->target_model;
        r->systems[i].use_chat = o->chat;
        r->systems[i].use_text = o->text_prompts;
        r->systems[i].is_insecure = o->insecure;
        r->systems[i].ca_file = getenv("SSL_CERT_FILE");
        r->systems[i].is_canceled = mu_is_interrupted;
    }
    return status;
}

static mu_status pin_client(const char *cpus, mu_err *err) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = cpus; *at;) {
        char *end;
        unsigned long cpu = strtoul(at, &end, 10);
        if (end == at || cpu >= CPU_SETSIZE || (*end != ',' && *end != '\0')) {
            return mu_fail(err, MU_ERR_INVALID,
                           "--client-cpus: \"%.40s\" is not a list such as 0,1", cpus);
        }
        CPU_SET(cpu, &set);
        at = *end ? end + 1 : end;
    }
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        return mu_fail_os(err, MU_ERR_INVALID, "--client-cpus %s", cpus);
    }
    return MU_OK;
}

static mu_status print_document(const suite_options *o, const json_t *doc, mu_err *err) {
    if (o->json) return mu_print_json(json_incref((json_t *)(uintptr_t)doc), JSON_INDENT(1), err);
    struct winsize size;
    bool is_terminal = isatty(STDOUT_FILENO);
    uint32_t width = 100;
    if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        width = size.ws_col;
    }
    mu_buf text = {0};
    bool has_colour = is_terminal && !getenv("NO_COLOR");
    mu_status status = mu_report_text(doc, width, has_colour, &text, err);
    if (status == MU_OK && text.n > 0) fwrite(text.data, 1, text.n, stdout);
    mu_buf_deinit(&text);
    return status;
}

static mu_status remember(const suite_options *o, const json_t *doc, mu_err *err) {
    mu_history *history = NULL;
    if (o->no_history) return MU_OK;
    mu_status status = mu_history_open_at(o->history, &history, err);
    if (status == MU_OK) status = mu_history_add(history, doc, err);
    mu_history_close(history);
    return status;
}

static mu_status prepare(suite_run *r, mu_err *err) {
    const suite_options *o = r->o;
    mu_status status = read_plan(r, err);
    if (status == MU_OK && o->client_cpus) status = pin_client(o->client_cpus, err);
    if (status == MU_OK) status = mu_bench_folder_open(o->output, &r->folder, err);
    r->own.n_threads = o->threads;
    r->own.is_canceled = mu_is_interrupted;
    if (status == MU_OK) status = mu_isa_read(&r->own.isa_max, err);
    if (status == MU_OK) status = add_systems(r, err);
    if (status != MU_OK) return status;
    mu_progress_init(&r->progress, o->quiet ? NULL : stderr, isatty(STDERR_FILENO));
    r->bench.systems = r->systems;
    r->bench.n_systems = r->n_systems;
    r->bench.runs = o->runs > 0 ? o->runs : o->quick ? 1 : RUNS_FULL;
    r->bench.blocks = o->blocks;
    r->bench.seconds = r->bench.suite == MU_SUITE_SOAK ? o->seconds : 0;
    r->bench.budget_s = o->budget;
    r->bench.steal_limit = o->steal_limit / 100.0;
    r->bench.no_instrument = o->no_instrument;
    r->bench.n_agreement = o->agreement;
    r->bench.seed = o->seed;
    r->bench.targets = r->targets;
    r->bench.no_targets = o->no_targets;
    r->bench.inside = mu_own_inside(&r->own);
    r->bench.raw = r->folder.raw;
    r->bench.progress = &r->progress;
    r->bench.is_canceled = mu_is_interrupted;
    return MU_OK;
}

/* Report what there is, also of a run that was cut short; the first thing that failed is the
 * error. */
static mu_status deliver(suite_run *r, json_t *doc, mu_err *err) {
    json_object_set_new(doc, "raw", json_pack("{s:s}", "path", "requests.jsonl"));
    mu_status status = mu_bench_folder_write(&r->folder, doc, err);
    if (status == MU_OK) status = print_document(r->o, doc, err);
    if (status == MU_OK) status = remember(r->o, doc, err);
    if (status == MU_OK && !r->o->quiet) {
        fprintf(stderr, "report: %s/report.html (and .json, .md, .csv)\n", r->folder.path);
    }
    return status;
}

static void close_run(suite_run *r) {
    mu_bench_folder_close(&r->folder);
    mu_targets_close(r->targets);
    mu_own_close(&r->own);
}

static int run(suite_run *r) {
    mu_err err, why;
    json_t *doc = NULL;
    int code = MU_JUDGED_TOOL_ERROR;
    mu_status status = prepare(r, &err);
    if (status == MU_OK) status = mu_bench_run(&r->bench, &doc, &err);
    if (status == MU_OK) status = mu_bench_folder_flush(&r->folder, &err);
    if (doc) {
        mu_status delivered = deliver(r, doc, &why);
        if (delivered != MU_OK) mu_report("bench", &why);
        if (status == MU_OK && delivered == MU_OK) {
            code = r->o->no_targets ? MU_JUDGED_PASS
                                    : mu_targets_exit_code(doc, json_object_get(doc, "targets"));
        }
    }
    if (status != MU_OK) {
        mu_report("bench", &err);
        code = status == MU_ERR_CANCELED ? MU_EXIT_INTERRUPTED : MU_JUDGED_TOOL_ERROR;
    }
    json_decref(doc);
    close_run(r);
    return code;
}

/* The command's options; they hold the defaults until the command line has been parsed. */
static suite_options o = {
    .arrivals = "closed",
    .slo = "ttft=300ms,tpot=33.3ms,attain=0.99",
    .device = "cpu",
    .dtype = "auto",
    .kv = "auto",
    .parallel = 32,
    .blocks = BLOCKS_DEFAULT,
    .agreement = AGREEMENT_DEFAULT,
    .seed = 1,
    .steal_limit = 1,
};

static const mu_option options[] = {
    {"model", 'm', MU_OPTION_TEXT, &o.model, 0, 0, "MODEL",
     "serve MODEL and measure that; without --target: muai-tiny"},
    {"target", 0, MU_OPTION_TEXTS, &o.target, 0, 0, "[NAME=]URL",
     "measure this server; twice or more, or beside --model: in turn, compared"},
    {"target-pid", 0, MU_OPTION_LIST, &o.target_pid, 1, 1 << 22, "PID,...",
     "processes of the targets on this machine, for their memory and CPU time"},
    {"target-model", 0, MU_OPTION_TEXT, &o.target_model, 0, 0, "ID",
     "model to ask targets for; else the first they list"},
    {"api-key", 0, MU_OPTION_TEXT, &o.api_key, 0, 0, "KEY", "of the targets"},
    {"insecure", 0, MU_OPTION_FLAG, &o.insecure, 0, 0, NULL,
     "take any certificate of an https target; SSL_CERT_FILE names one to trust"},
    {"quick", 'q', MU_OPTION_FLAG, &o.quick, 0, 0, NULL, "three minutes, one run: exploratory"},
    {"shape", 's', MU_OPTION_TEXT, &o.shape, 0, 0, "LIST",
     "prompt/output tokens: tiny, chat, code, rag, long, or 512/128, comma-separated"},
    {"clients", 'c', MU_OPTION_LIST, &o.clients, 1, 8192, "N,...", "closed-loop clients"},
    {"rate", 0, MU_OPTION_TEXT, &o.rate, 0, 0, "R,...",
     "of the suite rate: requests a second; without it the highest that meets --slo is found"},
    {"arrivals", 0, MU_OPTION_TEXT, &o.arrivals, 0, 0, "KIND",
     "of the suite rate: poisson, constant, gamma:CV, ramp:A:B, burst:N:S, trace:FILE"},
    {"slo", 0, MU_OPTION_TEXT, &o.slo, 0, 0, "LIST", "objective of a request"},
    {"targets", 0, MU_OPTION_TEXT, &o.targets, 0, 0, "FILE", "judge by the targets in FILE"},
    {"no-targets", 0, MU_OPTION_FLAG, &o.no_targets, 0, 0, NULL, "judge nothing"},
    {"seconds", 0, MU_OPTION_F32, &o.seconds, 0, 1e7, "S",
     "of a cell at most, of soak in all; 0: the suite's own"},
    {"requests", 'n', MU_OPTION_U32, &o.requests, 0, 1 << 22, "N",
     "of a cell exactly; 0: until figures are precise"},
    {"runs", 'r', MU_OPTION_U32, &o.runs, 0, 100, "N",
     "fresh server processes; 0: 1 with --quick, else 5"},
    {"blocks", 0, MU_OPTION_U32, &o.blocks, 1, 500, "N", "of a comparison"},
    {"budget", 0, MU_OPTION_F32, &o.budget, 0, 1e7, "S",
     "shorten cells and the leak test to end in S seconds"},
    {"steal-limit", 0, MU_OPTION_F32, &o.steal_limit, 1, 100, "PERCENT",
     "of CPU time that other guests of the host may take before a cell is INVALID"},
    {"no-instrument", 0, MU_OPTION_FLAG, &o.no_instrument, 0, 0, NULL,
     "do not measure the error of the load generator first"},
    {"agreement", 0, MU_OPTION_U32, &o.agreement, 0, 1 << 20, "N",
     "positions at which q8 or q4 weights of --model are compared with f32; 0: none"},
    {"seed", 0, MU_OPTION_U64, &o.seed, 0, 1e18, "N", "of prompts, arrivals and resampling"},
    MU_DEVICE_OPTION(&o.device),
    {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE", "weights of --model"},
    {"kv", 0, MU_OPTION_TEXT, &o.kv, 0, 0, "TYPE", "KV cache of --model"},
    {"threads", 't', MU_OPTION_U32, &o.threads, 0, 1024, "N", "of --model; 0: what is allowed"},
    {"parallel", 0, MU_OPTION_U32, &o.parallel, 1, 4096, "N", "sequences at once of --model"},
    {"serve-arg", 0, MU_OPTION_TEXTS, &o.serve_arg, 0, 0, "ARG",
     "more for muai serve; may be repeated"},
    {"prompt-lookup", 0, MU_OPTION_FLAG, &o.prompt_lookup, 0, 0, NULL,
     "also for random weights, whose text repeats itself"},
    {"server-cpus", 0, MU_OPTION_TEXT, &o.server_cpus, 0, 0, "LIST", "that --model may use"},
    {"client-cpus", 0, MU_OPTION_TEXT, &o.client_cpus, 0, 0, "LIST", "that this process may use"},
    {"chat", 0, MU_OPTION_FLAG, &o.chat, 0, 0, NULL, "use /v1/chat/completions"},
    {"text-prompts", 0, MU_OPTION_FLAG, &o.text_prompts, 0, 0, NULL, "text instead of token ids"},
    {"no-stream", 0, MU_OPTION_FLAG, &o.no_stream, 0, 0, NULL,
     "whole answers; TTFT is then not known"},
    {"keep-cache", 0, MU_OPTION_FLAG, &o.keep_cache, 0, 0, NULL,
     "let the server use its prefix cache"},
    {"output", 'o', MU_OPTION_TEXT, &o.output, 0, 0, "DIR",
     "for report.json, .html, .md, .csv and raw records; else muai-bench-TIME"},
    {"history", 0, MU_OPTION_TEXT, &o.history, 0, 0, "FILE", "where runs are kept"},
    {"no-history", 0, MU_OPTION_FLAG, &o.no_history, 0, 0, NULL, "do not keep this one"},
    {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL, "the document on standard output"},
    {"quiet", 0, MU_OPTION_FLAG, &o.quiet, 0, 0, NULL, "no progress"},
};

/* The command as it was typed, for the document, without keys and passwords. */
static void copy_command(suite_run *r, int argc, char **argv) {
    uint32_t n = 0;
    r->command[n++] = "muai";
    r->command[n++] = "bench";
    for (int i = 0; i < argc && n < COMMAND_WORDS_MAX; i++) {
        bool is_key = i > 0 && strcmp(argv[i - 1], "--api-key") == 0;
        bool has_key = strncmp(argv[i], "--api-key=", 10) == 0;
        bool is_target = (i > 0 && strcmp(argv[i - 1], "--target") == 0) || strstr(argv[i], "://");
        const char *word = is_key ? "***" : has_key ? "--api-key=***" : argv[i];
        if (is_target && !has_key) mu_url_without_secrets(argv[i], r->words[n]);
        r->command[n] = is_target && !has_key ? r->words[n] : word;
        n++;
    }
    r->bench.n_command = n;
    r->bench.command = r->command;
}

int mu_cmd_bench_suite(int argc, char **argv) {
    char usage[64];
    snprintf(usage, sizeof(usage), "%s", argv[0]);
    const mu_command_line line = {
        .command = "bench",
        .usage = usage,
        .about =
            "Measure a server: latency, throughput, the highest rate that meets an objective,\n"
            "memory, behaviour over hours and under stress; \"all\" walks the five phases\n"
            "validate, latency, memory, throughput, report.\n"
            "Exit code: 0 targets met, 1 missed, 2 invalid run, 3 not decided, 4 error, 130 "
            "Ctrl-C.",
        .examples =
            "  muai bench all --quick -m synthetic:gpt2:q8\n"
            "  muai bench latency -m ./model.gguf --shape 128/64,512/64\n"
            "  muai bench throughput -m gpt2 --clients 1,8,32 --shape chat\n"
            "  muai bench rate -m gpt2 --rate 5,10,20 --arrivals poisson\n"
            "  muai bench latency -m gpt2 --target http://127.0.0.1:8000 --blocks 6\n"
            "  muai bench soak --target http://127.0.0.1:8000 --target-pid 4711 --seconds 3600\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 0,
    };
    const char *positional[1];
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) {
        return code == MU_EXIT_USAGE ? MU_JUDGED_TOOL_ERROR : code; /* 2: an invalid run */
    }
    if (!o.model && o.target.n == 0) o.model = mu_builtin_default();
    suite_run *r = mu_alloc(sizeof(*r));
    if (!r) return MU_JUDGED_TOOL_ERROR;
    r->o = &o;
    for (size_t i = 0; i < MU_COUNTOF(suites); i++) {
        if (strcmp(suites[i].name, argv[0]) != 0) continue;
        r->bench.suite = suites[i].suite;
        r->bench.suite_name = suites[i].name;
    }
    MU_ASSERT(r->bench.suite != 0); /* the table of sub-commands names the same suites */
    copy_command(r, argc, argv);
    mu_interrupts_install();
    code = run(r);
    mu_free(r);
    return code;
}
