/* `muai report` and `muai bench history` as a user runs them: a result through the history, through
 * HTML and back, compared, judged; exit codes for CI. The binary is the one beside this test.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

#define GOOD "tests/bench/fixtures/judge-good.json"

static char muai[1024], folder[] = "/tmp/muai-report-XXXXXX";
static char out[1 << 18]; /* both streams of the last run */

/* Runs a shell command in which "muai" is the program and "@" the test's folder. */
static int run(const char *command) {
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text), "muai() { '%s' \"$@\"; }; ", muai);
    for (const char *c = command; *c && n + sizeof(folder) + 16 < sizeof(text); c++) {
        if (*c == '@') {
            memcpy(text + n, folder, sizeof(folder) - 1);
            n += sizeof(folder) - 1;
        } else {
            text[n++] = *c;
        }
    }
    memcpy(text + n, " 2>&1", sizeof(" 2>&1"));
    FILE *pipe = popen(text, "r");
    assert_non_null(pipe);
    size_t n_out = fread(out, 1, sizeof(out) - 1, pipe);
    out[n_out] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

typedef struct step {
    const char *command;
    int code;
    const char *says;
} step;

static void run_steps(const step *steps, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int code = run(steps[i].command);
        if (code != steps[i].code || !strstr(out, steps[i].says)) {
            fail_msg("%s: code %d, \"%.400s\"", steps[i].command, code, out);
        }
    }
    print_message("%zu command lines\n", n);
}

static void a_result_is_shown_and_judged(void **state) {
    (void)state;
    static const step steps[] = {
        {"muai report --help", 0, "examples:"},
        {"muai report", 4, "no FILE"},
        {"muai report --wings", 4, "unknown option"},
        {"muai report " GOOD, 0, "Time to first token"},
        {"muai report - <" GOOD, 0, "Time to first token"},
        {"muai report " GOOD " --format md", 0, "# synthetic:gpt2:q8"},
        {"muai report " GOOD " -f csv", 0, "run,system,cell,metric,stat"},
        {"muai report " GOOD " --format rtf", 4, "--format: \"rtf\""},
        {"muai report " GOOD " -o @/none/a.html", 4, "/none/a.html"},
        {"muai report tests/golden/models/plain/config.json", 4, "schema: \"\" is not"},
        {"muai report /nonexistent.json", 4, "/nonexistent.json"},
        {"muai report " GOOD " --targets /nonexistent.json", 4, "/nonexistent.json"},
        {"echo '{\"builtin\": false, \"targets\": [{\"id\": \"m\", \"metric\": "
         "\"memory:a.footprint.peak_mb\", \"limit\": 100, \"better\": \"lower\"}]}' >@/t.json && "
         "muai report " GOOD " --targets @/t.json",
         1, "fail"},
        {"sed 's/\"stop_reason\": \"done\"/\"stop_reason\": \"failed\"/' " GOOD " >@/bad.json && "
         "muai report @/bad.json",
         2, ""},
        {"sed 's/\"detection_limit_mb_h\": 3.1/\"detection_limit_mb_h\": 31/' " GOOD
         " >@/open.json && muai report @/open.json",
         3, "inconclusive"},
        {"muai report " GOOD " -o @/a.html && test ! -e @/a.html.part && muai report @/a.html", 0,
         "Time to first token"},
        {"echo '<html>' >@/b.html && muai report @/b.html", 4, "b.html"},
    };
    run_steps(steps, MU_COUNTOF(steps));
}

/* One run each: ratios, and no verdict. */
static void results_are_compared(void **state) {
    (void)state;
    static const step steps[] = {
        {"muai report " GOOD " " GOOD, 3, ""},
        {"sed 's/\"dtype\": \"q8\"/\"dtype\": \"f32\"/' " GOOD " >@/f32.json && muai report " GOOD
         " @/f32.json --format json",
         2, "weights: q8 against f32"},
        {"muai report " GOOD " @/f32.json --any-precision", 3, ""},
        {"muai report " GOOD " " GOOD " -o @/two.html; muai report @/two.html --format csv", 0,
         "throughput-c8-b"},
    };
    run_steps(steps, MU_COUNTOF(steps));
}

static void runs_are_kept(void **state) {
    (void)state;
    static const step steps[] = {
        {"muai bench history --help", 0, "examples:"},
        {"muai bench history fly", 2, "\"fly\" is none of"},
        {"muai bench history show", 2, "usage: show ID"},
        {"XDG_DATA_HOME=@/data muai bench history", 0, "no runs yet"},
        {"test -s @/data/muai/bench.db", 0, ""},
        {"XDG_DATA_HOME= HOME=@/home muai bench history", 0, "no runs yet"},
        {"test -s @/home/.local/share/muai/bench.db", 0, ""},
        {"muai bench history --history @/h.db add " GOOD, 0, ""},
        {"muai bench history --history @/h.db", 0, "20261124T201500Z-1a2b3c4d"},
        {"muai bench history --history @/h.db --model nothing", 0, "no runs yet"},
        {"muai bench history --history @/h.db baseline main", 0, ""},
        {"muai bench history --history @/h.db list --json", 0, "\"main\""},
        {"muai bench history --history @/h.db show main", 0, "\"muai.bench/1\""},
        {"muai bench history --history @/h.db trend tpot_ms.p50 --cell c8", 0,
         "8.5 ms (8.415 to 8.585)"},
        {"muai bench history --history @/h.db trend wings", 1,
         "there are: capacity.max_rate_per_s"},
        {"muai report " GOOD " --baseline main --history @/h.db", 3, ""},
        {"muai report " GOOD " --baseline other --history @/h.db", 4, "no run other"},
        {"muai bench history --history @/h.db rm main", 0, ""},
        {"muai bench history --history @/h.db rm main", 1, "no run main"},
        {"echo text that is no database, and long enough >@/x.db; muai bench history --history "
         "@/x.db",
         1, "move it away"},
        {"muai bench history --history @/h.db add @/x.db", 1, "x.db"},
    };
    run_steps(steps, MU_COUNTOF(steps));
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

int main(void) {
    ssize_t n = readlink("/proc/self/exe", muai, sizeof(muai) - 8);
    if (n <= 0) return 1;
    muai[n] = '\0';
    memcpy(strrchr(muai, '/'), "/muai", sizeof("/muai"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_shown_and_judged),
        cmocka_unit_test(results_are_compared),
        cmocka_unit_test(runs_are_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
