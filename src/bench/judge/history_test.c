/* The history: what goes in comes out, also of files of an older version, with others writing at
 * the same time, and when the world is bad nothing is lost and the error says what to do.
 */
#include "bench/judge/history.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/judge/targets.h"
#include "tests/bench/sample_document.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/muai-history-XXXXXX");
    return mkdtemp(folder) && chmod(folder, 0755) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static mu_history *open_history(const char *path) {
    mu_history *h = NULL;
    mu_err err;
    if (mu_history_open(path, &h, &err) != MU_OK) fail_msg("%s", err.text);
    return h;
}

/* A run of its own: id, hour and TTFT. */
static json_t *run_of(const char *id, int hour, double ttft_ms) {
    json_t *doc = sample_document(), *run = json_object_get(doc, "run");
    json_object_set_new(run, "id", json_string(id));
    json_object_set_new(run, "start", json_sprintf("2026-11-24T%02d:00:00Z", hour));
    json_t *metric =
        (json_t *)(uintptr_t)mu_document_at(doc, "cells.latency-128-64-c1.metrics.ttft_ms");
    json_object_set_new(metric, "p50", json_real(ttft_ms));
    json_object_set_new(doc, "targets", mu_targets_judge(doc, NULL));
    return doc;
}

static void add(mu_history *h, const char *id, int hour, double ttft_ms) {
    mu_err err;
    json_t *doc = run_of(id, hour, ttft_ms);
    if (mu_history_add(h, doc, &err) != MU_OK) fail_msg("%s", err.text);
    json_decref(doc);
}

static json_t *list(mu_history *h, const char *model, uint32_t limit) {
    mu_history_filter filter = {.model = model, .limit = limit};
    json_t *rows = NULL;
    mu_err err;
    if (mu_history_list(h, &filter, &rows, &err) != MU_OK) fail_msg("%s", err.text);
    return rows;
}

static size_t count(mu_history *h) {
    json_t *rows = list(h, NULL, 0);
    size_t n = json_array_size(rows);
    json_decref(rows);
    return n;
}

static void a_run_comes_back_as_it_was(void **state) {
    (void)state;
    mu_err err;
    mu_history *h = open_history(in_folder("deep/er/bench.db"));
    json_t *doc = run_of("r1", 10, 21.5), *again = NULL;
    assert_int_equal(mu_history_add(h, doc, &err), MU_OK);
    assert_int_equal(mu_history_add(h, doc, &err), MU_OK); /* the same is no second one */
    assert_int_equal(count(h), 1);
    mu_history_close(h);

    h = open_history(in_folder("deep/er/bench.db"));
    assert_int_equal(mu_history_find(h, "r1", &again, &err), MU_OK);
    assert_true(json_equal(doc, again));
    sample_set(doc, "run.seed", "2");
    assert_int_equal(mu_history_add(h, doc, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, "muai bench history rm"));
    json_decref(again);
    json_decref(doc);
    mu_history_close(h);
}

static void runs_are_listed_newest_first(void **state) {
    (void)state;
    mu_history *h = open_history(in_folder("list.db"));
    add(h, "b", 11, 22.0);
    add(h, "a", 10, 21.0);
    add(h, "c", 12, 23.0);
    json_t *rows = list(h, NULL, 2);
    assert_int_equal(json_array_size(rows), 2);
    const json_t *newest = json_array_get(rows, 0);
    assert_string_equal(mu_document_text(newest, "id"), "c");
    assert_string_equal(mu_document_text(newest, "model"), "synthetic:gpt2 q8");
    assert_string_equal(mu_document_text(newest, "host"), "Example CPU");
    assert_string_equal(mu_document_text(newest, "verdict"), "pass");
    assert_true(mu_document_number(newest, "ttft_p50_ms") == 23.0);
    assert_true(mu_document_number(newest, "requests_s") == 63.3);
    assert_true(mu_document_number(newest, "peak_mb") == 210.0);
    json_decref(rows);
    rows = list(h, "gpt2 q8", 0);
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    rows = list(h, "llama", 0);
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
    mu_history_close(h);
}

static void names_and_prefixes_find_runs(void **state) {
    (void)state;
    static const struct {
        const char *name, *id; /* NULL: not found */
    } cases[] = {{"20261124T10", "20261124T10-aa"},    {"20261124", NULL},
                 {"last", "20261124T11-bb"},           {"good", "20261124T10-aa"},
                 {"20261124T11-bb", "20261124T11-bb"}, {"", NULL},
                 {"'; DROP TABLE runs; --", NULL}};
    mu_history *h = open_history(in_folder("names.db"));
    mu_err err;
    json_t *doc = NULL;
    add(h, "20261124T10-aa", 10, 21.0);
    add(h, "20261124T11-bb", 11, 21.0);
    assert_int_equal(mu_history_name(h, "good", "last", &err), MU_OK);
    assert_int_equal(mu_history_name(h, "good", "20261124T10-aa", &err), MU_OK); /* moves */
    assert_int_equal(mu_history_name(h, "last", "20261124T10-aa", &err), MU_ERR_INVALID);
    assert_int_equal(mu_history_name(h, "a,b", "20261124T10-aa", &err), MU_ERR_INVALID);
    assert_int_equal(mu_history_name(h, "x", "nothing", &err), MU_ERR_NOT_FOUND);
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_status status = mu_history_find(h, cases[i].name, &doc, &err);
        if (status != (cases[i].id ? MU_OK : MU_ERR_NOT_FOUND)) fail_msg("%s", cases[i].name);
        if (!cases[i].id) continue;
        assert_string_equal(mu_document_text(doc, "run.id"), cases[i].id);
        json_decref(doc);
    }
    json_t *rows = list(h, NULL, 0);
    assert_int_equal(json_array_size(json_object_get(json_array_get(rows, 0), "names")), 0);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json_array_get(rows, 1), "names"), 0)),
        "good");
    json_decref(rows);
    assert_int_equal(mu_history_remove(h, "good", &err), MU_OK);
    assert_int_equal(mu_history_find(h, "good", &doc, &err), MU_ERR_NOT_FOUND);
    assert_int_equal(count(h), 1);
    mu_history_close(h);
}

static void a_metric_over_time(void **state) {
    (void)state;
    mu_history *h = open_history(in_folder("trend.db"));
    mu_err err;
    add(h, "b", 11, 22.0);
    add(h, "a", 10, 21.0);
    json_t *bad = run_of("c", 12, 99.0); /* INVALID cells are not followed */
    sample_invalidate(bad, "latency-128-64-c1");
    assert_int_equal(mu_history_add(h, bad, &err), MU_OK);
    json_decref(bad);
    mu_history_filter filter = {.cell = "latency-128-64"};
    json_t *series = NULL;
    assert_int_equal(mu_history_trend(h, "ttft_ms.p50", &filter, &series, &err), MU_OK);
    assert_int_equal(json_array_size(series), 1);
    const json_t *points = json_object_get(json_array_get(series, 0), "points");
    assert_string_equal(mu_document_text(json_array_get(series, 0), "unit"), "ms");
    assert_int_equal(json_array_size(points), 2);
    assert_true(mu_document_number(json_array_get(points, 0), "value") == 21.0);
    assert_true(mu_document_number(json_array_get(points, 1), "value") == 22.0);
    assert_true(mu_document_number(json_array_get(points, 0), "low") == 20.79);
    json_decref(series);
    assert_int_equal(mu_history_trend(h, "memory.peak_mb", &(mu_history_filter){0}, &series, &err),
                     MU_OK);
    assert_int_equal(json_array_size(json_object_get(json_array_get(series, 0), "points")), 3);
    json_decref(series);
    json_t *metrics = NULL;
    assert_int_equal(mu_history_metrics(h, &metrics, &err), MU_OK);
    assert_true(json_array_size(metrics) > 10);
    json_decref(metrics);
    assert_int_equal(mu_history_remove(h, "a", &err), MU_OK); /* its figures go with it */
    assert_int_equal(mu_history_trend(h, "memory.peak_mb", &(mu_history_filter){0}, &series, &err),
                     MU_OK);
    assert_int_equal(json_array_size(json_object_get(json_array_get(series, 0), "points")), 2);
    json_decref(series);
    mu_history_close(h);
}

static void execute(const char *path, const char *sql, const char *text) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (const char *rest = sql; *rest;) {
        assert_int_equal(sqlite3_prepare_v2(db, rest, -1, &statement, &rest), SQLITE_OK);
        if (!statement) break;
        if (sqlite3_bind_parameter_count(statement) > 0) {
            sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
        }
        int code = sqlite3_step(statement);
        assert_true(code == SQLITE_DONE || code == SQLITE_ROW);
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
}

/* A file of version 1, which had only whole documents, gets figures and headlines. */
static void an_older_version_is_brought_up(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s", in_folder("old.db"));
    json_t *doc = run_of("old-run", 9, 21.0);
    char *text = json_dumps(doc, 0);
    execute(
        path,
        "CREATE TABLE runs (id TEXT PRIMARY KEY, start TEXT NOT NULL, suite TEXT NOT NULL,"
        " model TEXT NOT NULL, host TEXT NOT NULL, verdict TEXT NOT NULL, document TEXT NOT "
        "NULL);"
        "INSERT INTO runs VALUES ('old-run', '2026-11-24T09:00:00Z', 'all', 'm', 'h', 'pass', ?);"
        "INSERT INTO runs VALUES ('damaged', '2026-11-24T08:00:00Z', 'all', 'm', 'h', 'pass', "
        "'{');"
        "PRAGMA application_id = 1836409193; PRAGMA user_version = 1;",
        text);
    mu_free(text); /* jansson uses our allocator */
    mu_history *h = open_history(path);
    json_t *rows = list(h, NULL, 0), *series = NULL, *again = NULL;
    mu_err err;
    assert_int_equal(json_array_size(rows), 2);
    assert_true(mu_document_number(json_array_get(rows, 0), "ttft_p50_ms") == 21.0);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "ttft_p50_ms")));
    json_decref(rows);
    assert_int_equal(mu_history_trend(h, "tpot_ms.p50", &(mu_history_filter){0}, &series, &err),
                     MU_OK);
    assert_int_equal(json_array_size(series), 12);
    json_decref(series);
    assert_int_equal(mu_history_find(h, "old-run", &again, &err), MU_OK);
    assert_true(json_equal(again, doc));
    json_decref(again);
    assert_int_equal(mu_history_find(h, "damaged", &again, &err), MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, "run damaged"));
    json_decref(doc);
    mu_history_close(h);
}

static void refuses(const char *path, mu_status status, const char *says) {
    mu_history *h = NULL;
    mu_err err = {0};
    mu_status got = mu_history_open(path, &h, &err);
    if (got != status || !strstr(err.text, says))
        fail_msg("%s: %d \"%s\"", path, (int)got, err.text);
    assert_null(h);
}

static void files_that_are_not_ours_are_left_alone(void **state) {
    (void)state;
    char path[256], before[64], after[64];
    snprintf(path, sizeof(path), "%s", in_folder("newer.db"));
    execute(path,
            "CREATE TABLE x (y); PRAGMA application_id = 1836409193; PRAGMA user_version = 99;",
            NULL);
    refuses(path, MU_ERR_UNSUPPORTED, "use a newer muai");
    snprintf(path, sizeof(path), "%s", in_folder("foreign.db"));
    execute(path, "CREATE TABLE bookmarks (url);", NULL);
    refuses(path, MU_ERR_FORMAT, "another program");

    snprintf(path, sizeof(path), "%s", in_folder("text.db"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("This is not a database, but a text that is long enough to look at.\n", file);
    fclose(file);
    refuses(path, MU_ERR_FORMAT, "move it away");
    file = fopen(path, "r");
    assert_non_null(fgets(after, sizeof(after), file));
    fclose(file);
    snprintf(before, sizeof(before), "%s",
             "This is not a database, but a text that is long enough to look at.\n");
    assert_string_equal(before, after);
    refuses("/dev/null/bench.db", MU_ERR_IO, "--history FILE");
    refuses("", MU_ERR_INVALID, "empty");
    char *too_long = mu_alloc(5000);
    memset(too_long, 'a', 4999);
    refuses(too_long, MU_ERR_INVALID, "too long");
    mu_free(too_long);
}

/* Pages in the middle overwritten: what cannot be read is an error, and the file stays. */
static void a_damaged_file_says_so(void **state) {
    (void)state;
    char path[256], id[16];
    snprintf(path, sizeof(path), "%s", in_folder("damaged.db"));
    mu_history *h = open_history(path);
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "run-%d", i);
        add(h, id, i, 20.0 + i);
    }
    mu_history_close(h);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    static char noise[4096];
    memset(noise, 0xa5, sizeof(noise));
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
    }
    close(fd);
    mu_err err = {0};
    json_t *rows = NULL;
    mu_history *damaged = NULL;
    mu_status status = mu_history_open(path, &damaged, &err);
    if (status == MU_OK) status = mu_history_list(damaged, &(mu_history_filter){0}, &rows, &err);
    assert_int_equal(status, MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, ".recover"));
    mu_history_close(damaged);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_size >= st.st_size);
}

/* Runs a function in a child; its exit code. */
static int in_child(int (*run)(const char *path), const char *path) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(run(path));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* 0: refused as it should be. Root may write everywhere, so it becomes nobody first. */
static int write_where_it_must_not(const char *path) {
    mu_history *h = NULL;
    mu_err err = {0};
    if (getuid() == 0 && setuid(65534) != 0) return 2;
    json_t *doc = NULL;
    if (mu_history_open(path, &h, &err) == MU_OK) {
        doc = run_of("new", 13, 20.0);
        if (mu_history_add(h, doc, &err) == MU_OK) return 3;
    }
    if (err.status != MU_ERR_IO || !strstr(err.text, "--history FILE")) {
        fprintf(stderr, "%s\n", err.text);
        return 4;
    }
    json_decref(doc);
    mu_history_close(h);
    return 0;
}

static void what_may_not_be_written_says_so(void **state) {
    (void)state;
    char path[256];
    assert_int_equal(mkdir(in_folder("locked"), 0755), 0);
    snprintf(path, sizeof(path), "%s", in_folder("locked/bench.db"));
    mu_history *h = open_history(path);
    add(h, "r1", 10, 21.0);
    mu_history_close(h);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(in_folder("locked"), 0555), 0);
    assert_int_equal(in_child(write_where_it_must_not, path), 0);
    assert_int_equal(in_child(write_where_it_must_not, in_folder("locked/new.db")), 0);
    assert_int_equal(chmod(in_folder("locked"), 0755), 0);
    assert_int_equal(chmod(path, 0644), 0);
    h = open_history(path);
    assert_int_equal(count(h), 1);
    mu_history_close(h);
}

/* Files may not grow beyond what is there and a little: like a full disk, in the middle of a run.
 */
static int write_beyond_the_limit(const char *path) {
    mu_err err = {0};
    mu_history *h = NULL;
    char id[16];
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {256 * 1024, 256 * 1024};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    if (mu_history_open(path, &h, &err) != MU_OK) return 3;
    mu_status status = MU_OK;
    int n = 0;
    for (; n < 50 && status == MU_OK; n++) {
        snprintf(id, sizeof(id), "more-%d", n);
        json_t *doc = run_of(id, 14, 20.0);
        status = mu_history_add(h, doc, &err);
        json_decref(doc);
    }
    mu_history_close(h);
    if (status != MU_ERR_IO || !strstr(err.text, "no room on the disk")) {
        fprintf(stderr, "%d: %s\n", (int)status, err.text);
        return 4;
    }
    return 10 + n - 1; /* runs that were added */
}

static void a_full_disk_loses_nothing(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s", in_folder("full.db"));
    mu_history *h = open_history(path);
    add(h, "first", 10, 21.0);
    mu_history_close(h);
    int code = in_child(write_beyond_the_limit, path);
    assert_true(code > 10 && code < 60);
    h = open_history(path);
    assert_int_equal(count(h), 1 + code - 10); /* what was said to be added is there, no more */
    mu_err err;
    json_t *doc = NULL;
    assert_int_equal(mu_history_find(h, "first", &doc, &err), MU_OK);
    json_decref(doc);
    add(h, "after", 15, 21.0); /* and with room again it goes on */
    mu_history_close(h);
    print_message("%d runs fitted\n", code - 10);
}

enum { N_EACH = 20 };

static int add_many(const char *path) {
    mu_history *h = NULL;
    mu_err err;
    char id[32];
    if (mu_history_open(path, &h, &err) != MU_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < N_EACH; i++) {
        snprintf(id, sizeof(id), "%d-%d", (int)getpid(), i);
        json_t *doc = run_of(id, 10, 21.0);
        if (mu_history_add(h, doc, &err) != MU_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 2;
        }
        json_decref(doc);
    }
    mu_history_close(h);
    return 0;
}

/* Four processes create the file and write to it at once. */
static void writers_do_not_disturb_each_other(void **state) {
    (void)state;
    enum { N_WRITERS = 4 };
    pid_t pids[N_WRITERS];
    char path[256];
    snprintf(path, sizeof(path), "%s", in_folder("shared.db"));
    fflush(NULL);
    for (int i = 0; i < N_WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) _exit(add_many(path));
    }
    for (int i = 0; i < N_WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    mu_history *h = open_history(path);
    assert_int_equal(count(h), N_WRITERS * N_EACH);
    mu_history_close(h);
}

/* Killed in the middle of writing, at any moment: every run is there whole or not at all. */
static void a_killed_writer_leaves_whole_runs(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s", in_folder("killed.db"));
    for (int round = 1; round <= 5; round++) {
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) _exit(add_many(path));
        struct timespec pause = {.tv_nsec = round * 60000000L};
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        mu_history *h = open_history(path);
        json_t *rows = list(h, NULL, 0);
        mu_err err;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            json_t *doc = NULL;
            const char *id = mu_document_text(json_array_get(rows, i), "id");
            assert_int_equal(mu_history_find(h, id, &doc, &err), MU_OK);
            assert_int_equal(json_array_size(json_object_get(doc, "cells")), 12);
            assert_true(mu_document_number(json_array_get(rows, i), "ttft_p50_ms") == 21.0);
            json_decref(doc);
        }
        print_message("%zu runs after %d ms\n", json_array_size(rows), 60 * round);
        json_decref(rows);
        mu_history_close(h);
    }
}

static void memory_runs_out(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s", in_folder("nomem.db"));
    mu_history *h = open_history(path);
    add(h, "r0", 10, 21.0);
    mu_history_close(h);
    h = NULL;
    json_t *doc = run_of("r1", 10, 21.0);
    int64_t before = mu_alloc_n_alive();
    int n_failed = 0;
    mu_status status = MU_ERR_NOMEM;
    for (int n = 0; n < 3000; n += 13) {
        mu_err err = {0};
        json_t *rows = NULL;
        mu_alloc_fail_after(n);
        status = mu_history_open(path, &h, &err);
        if (status == MU_OK) status = mu_history_add(h, doc, &err);
        if (status == MU_OK) status = mu_history_list(h, &(mu_history_filter){0}, &rows, &err);
        if (status == MU_OK) status = mu_history_remove(h, "r1", &err);
        mu_alloc_fail_after(-1);
        if (status != MU_OK && status != MU_ERR_NOMEM) fail_msg("%d: %s", n, err.text);
        n_failed += status != MU_OK;
        json_decref(rows);
        mu_history_close(h);
        h = NULL;
        assert_true(mu_alloc_n_alive() == before);
    }
    print_message("%d failures\n", n_failed);
    assert_true(n_failed > 50);
    h = open_history(path);
    assert_true(count(h) >= 1);
    mu_history_close(h);
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_back_as_it_was),
        cmocka_unit_test(runs_are_listed_newest_first),
        cmocka_unit_test(names_and_prefixes_find_runs),
        cmocka_unit_test(a_metric_over_time),
        cmocka_unit_test(an_older_version_is_brought_up),
        cmocka_unit_test(files_that_are_not_ours_are_left_alone),
        cmocka_unit_test(a_damaged_file_says_so),
        cmocka_unit_test(what_may_not_be_written_says_so),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(writers_do_not_disturb_each_other),
        cmocka_unit_test(a_killed_writer_leaves_whole_runs),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
