/* bench_folder.h - where a run leaves its files: requests.jsonl and server.log while it goes on,
 * the document and its renderings at the end.
 *
 * Memory: one struct, no allocation of its own. Errors: MU_ERR_IO names the file.
 */
#ifndef MU_CMD_BENCH_FOLDER_H
#define MU_CMD_BENCH_FOLDER_H

#include <jansson.h>
#include <stdio.h>

#include "base/status.h"

enum { MU_BENCH_FOLDER_PATH = 4096, MU_BENCH_PATH = MU_BENCH_FOLDER_PATH + 32 };

typedef struct mu_bench_folder {
    char path[MU_BENCH_FOLDER_PATH], log_path[MU_BENCH_PATH];
    FILE *raw; /* of requests.jsonl */
} mu_bench_folder;

/* path NULL: "muai-bench-" and the time, below the current folder. A report.json that is there
 * goes. Close it also after an error. */
mu_status mu_bench_folder_open(const char *path, mu_bench_folder *out, mu_err *err) MU_MUST_USE;
mu_status mu_bench_folder_flush(const mu_bench_folder *folder, mu_err *err) MU_MUST_USE;
mu_status mu_bench_folder_write(const mu_bench_folder *folder, const json_t *doc,
                                mu_err *err) MU_MUST_USE;
void mu_bench_folder_close(mu_bench_folder *folder);

#endif
