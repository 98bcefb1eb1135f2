/* The truth server as a command. Its options are mock.h's table: what this one's option table
 * cannot hold (times, fractions) comes as text and is read by mu_mock_option_set(). */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/mock/mock.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"

enum { ROWS_MAX = 64, TEXT_BYTES = 32 };

typedef struct mock_command {
    mu_mock_options mock;
    mu_option options[ROWS_MAX];
    const char *texts[ROWS_MAX]; /* of rows that are read from text */
    char defaults[ROWS_MAX][TEXT_BYTES];
} mock_command;

static const char *default_text(const mu_mock_option *row, const void *at, char *text) {
    static const char *const usages[] = {"asked", "always", "never"};
    if (row->kind == MU_MOCK_DELAY) {
        snprintf(text, TEXT_BYTES, "%gms", ((const mu_mock_delay *)at)->mean_ms);
    } else if (row->kind == MU_MOCK_USAGE) {
        return usages[*(const mu_mock_usage *)at];
    } else {
        snprintf(text, TEXT_BYTES, "%g", *(const double *)at);
    }
    return text;
}

static void fill_options(mock_command *c) {
    MU_ASSERT(mu_mock_n_option_rows <= ROWS_MAX);
    for (uint32_t i = 0; i < mu_mock_n_option_rows; i++) {
        const mu_mock_option *row = &mu_mock_option_rows[i];
        void *target = (char *)&c->mock + row->offset;
        mu_option_kind kind = MU_OPTION_TEXT;
        if (row->kind == MU_MOCK_FLAG) kind = MU_OPTION_FLAG;
        if (row->kind == MU_MOCK_U32) kind = MU_OPTION_U32;
        if (row->kind == MU_MOCK_U64) kind = MU_OPTION_U64;
        if (kind == MU_OPTION_TEXT && row->kind != MU_MOCK_TEXT) {
            c->texts[i] = default_text(row, target, c->defaults[i]);
            target = &c->texts[i];
        }
        c->options[i] = (mu_option){.name = row->name,
                                    .letter = strcmp(row->name, "port") == 0 ? 'p' : 0,
                                    .kind = kind,
                                    .target = target,
                                    .min = row->min,
                                    .max = row->max,
                                    .value = row->value,
                                    .help = row->help};
    }
}

static mu_status read_texts(mock_command *c, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < mu_mock_n_option_rows && status == MU_OK; i++) {
        if (!c->texts[i]) continue;
        mu_err inner;
        status = mu_mock_option_set(&c->mock, mu_mock_option_rows[i].name, c->texts[i], &inner);
        if (status != MU_OK) mu_fail(err, status, "--%s", inner.text);
    }
    return status;
}

static void print_end(mu_mock *mock) {
    mu_mock_counters c = mu_mock_get_counters(mock);
    fprintf(stderr,
            "muai bench mock: %llu requests, %llu done, %llu left by the client, %llu with a "
            "planned fault, %llu tokens\n"
            "%llu writes with tokens, on average %.0f us after they were due, at most %.0f us, "
            "%llu more than 100 us\n",
            (unsigned long long)c.n_requests, (unsigned long long)c.n_done,
            (unsigned long long)c.n_left, (unsigned long long)c.n_faults,
            (unsigned long long)c.n_output_tokens, (unsigned long long)c.n_chunks, c.late_us_mean,
            c.late_us_max, (unsigned long long)c.n_late);
}

/* Serve until SIGINT or SIGTERM, which are blocked in every thread and read here. */
static mu_status serve(const mu_mock_options *options, mu_err *err) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int fd = signalfd(-1, &ends, SFD_CLOEXEC);
    if (fd < 0) return mu_fail_os(err, MU_ERR_IO, "signalfd");
    mu_mock *mock = NULL;
    mu_status status = mu_mock_open(options, &mock, err);
    if (status == MU_OK) {
        bool is_v6 = strchr(options->host, ':') != NULL;
        printf("muai bench mock: http://%s%s%s:%u\n", is_v6 ? "[" : "", options->host,
               is_v6 ? "]" : "", mu_mock_port(mock));
        fflush(stdout);
        struct signalfd_siginfo info;
        while (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {}
        print_end(mock);
    }
    mu_mock_close(mock);
    close(fd);
    return status;
}

int mu_cmd_bench_mock(int argc, char **argv) {
    static mock_command c;
    c = (mock_command){.mock = mu_mock_options_default()};
    c.mock.port = 8687;
    fill_options(&c);
    const mu_command_line line = {
        .command = "bench mock",
        .usage = "",
        .about = "Serve planned answers at planned times over the OpenAI API, to measure what "
                 "measures.\nWhat was sent when is told by GET /mock/requests.",
        .examples =
            "  muai bench mock --ttft 50ms --itl 5ms\n"
            "  muai bench mock --ttft lognormal:200ms:0.5 --itl exponential:20ms --slots 4\n"
            "  muai bench mock --stall-s 2 --stall-at-request 100\n"
            "  muai bench mock --tokens-per-chunk 4 --split-us 500 --truncated-every 10\n"
            "  muai bench mock --ttft 1ms --itl 0ms --leak-mb-per-hour 20\n"
            "  curl -N http://127.0.0.1:8687/v1/completions -d "
            "'{\"prompt\": \"a b c\", \"max_tokens\": 8, \"stream\": true}'\n",
        .options = c.options,
        .n_options = mu_mock_n_option_rows,
        .n_positional_max = 0,
    };
    const char *positional[1] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    mu_err err;
    mu_status status = read_texts(&c, &err);
    if (status == MU_OK) status = serve(&c.mock, &err);
    if (status == MU_ERR_INVALID) {
        fprintf(stderr, "muai bench mock: %s\n", err.text);
        return MU_EXIT_USAGE;
    }
    return status == MU_OK ? MU_EXIT_OK : mu_report("bench mock", &err);
}
