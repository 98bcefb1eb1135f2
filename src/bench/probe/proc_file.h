/* proc_file.h - read the small files by which Linux tells about itself, whole or not at all. */
#ifndef MU_BENCH_PROBE_PROC_FILE_H
#define MU_BENCH_PROBE_PROC_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "bench/probe/fact.h"

/* Replace *out with the file's text. NULL: done; else why not, a constant text. *out is then "". */
const char *mu_proc_file_read(const char *path, mu_buf *out);

/* Of /proc/PID/name. MU_PROC_GONE: there is no such process any more. */
extern const char MU_PROC_GONE[];
const char *mu_proc_file_read_of(pid_t pid, const char *name, mu_buf *out);

/* The file as one number, or as text of one line. */
mu_fact mu_proc_file_number(const char *path);
mu_text_fact mu_proc_file_text(const char *path);

#endif
