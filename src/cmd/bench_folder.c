#include "cmd/bench_folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/report/report.h"
#include "cmd/common.h"

/* "muai-bench-20261124-201500" */
static void name_by_time(char *out, size_t n) {
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(out, n, "muai-bench-%Y%m%d-%H%M%S", &local);
}

static void path_of(const mu_bench_folder *f, const char *name, char out[MU_BENCH_PATH]) {
    snprintf(out, MU_BENCH_PATH, "%s/%s", f->path, name);
}

mu_status mu_bench_folder_open(const char *path, mu_bench_folder *out, mu_err *err) {
    char file[MU_BENCH_PATH];
    if (path) {
        snprintf(out->path, sizeof(out->path), "%s", path);
    } else {
        name_by_time(out->path, sizeof(out->path));
    }
    if (mkdir(out->path, 0777) != 0 && errno != EEXIST) {
        return mu_fail_os(err, MU_ERR_IO, "--output %s", out->path);
    }
    path_of(out, "report.json", file);
    unlink(file); /* of an earlier run: if this one dies, nothing must look like its result */
    path_of(out, "server.log", out->log_path);
    path_of(out, "requests.jsonl", file);
    out->raw = fopen(file, "we");
    return out->raw ? MU_OK : mu_fail_os(err, MU_ERR_IO, "%s", file);
}

static mu_status write_json(const mu_bench_folder *f, const json_t *doc, mu_err *err) {
    char path[MU_BENCH_PATH];
    mu_buf text = {0};
    char *json = json_dumps(doc, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
    if (!json) return mu_fail(err, MU_ERR_NOMEM, "report.json");
    mu_buf_append_str(&text, json);
    mu_buf_append_str(&text, "\n");
    mu_free(json);
    path_of(f, "report.json", path);
    mu_status status =
        text.failed ? mu_fail(err, MU_ERR_NOMEM, "report.json") : mu_write_whole(path, &text, err);
    mu_buf_deinit(&text);
    return status;
}

mu_status mu_bench_folder_write(const mu_bench_folder *f, const json_t *doc, mu_err *err) {
    static const struct {
        const char *name;
        mu_status (*render)(const json_t *const *docs, size_t n, mu_buf *out, mu_err *err);
    } renderings[] = {{"report.html", mu_report_html},
                      {"report.md", mu_report_markdown},
                      {"report.csv", mu_report_csv},
                      {"cells.csv", mu_report_csv_wide}};
    const json_t *docs[] = {doc};
    mu_status status = write_json(f, doc, err);
    for (size_t i = 0; i < MU_COUNTOF(renderings) && status == MU_OK; i++) {
        char path[MU_BENCH_PATH];
        mu_buf text = {0};
        path_of(f, renderings[i].name, path);
        status = renderings[i].render(docs, 1, &text, err);
        if (status == MU_OK) status = mu_write_whole(path, &text, err);
        mu_buf_deinit(&text);
    }
    return status;
}

mu_status mu_bench_folder_flush(const mu_bench_folder *f, mu_err *err) {
    if (!f->raw || fflush(f->raw) == 0) return MU_OK;
    return mu_fail_os(err, MU_ERR_IO, "%s/requests.jsonl: write", f->path);
}

void mu_bench_folder_close(mu_bench_folder *f) {
    if (f->raw) fclose(f->raw);
    f->raw = NULL;
}
