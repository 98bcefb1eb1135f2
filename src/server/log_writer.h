/* log_writer.h - lines to a file or a pipe that may be slow, full, or not read at all.
 *
 * Lines are queued and written by a thread of their own, which writes only what is taken at once. A
 * line that finds the queue full is dropped and counted, and so is one that cannot be written: what
 * reads the log never holds up what is logged.
 *
 * Threads: any thread appends.
 */
#ifndef MU_SERVER_LOG_WRITER_H
#define MU_SERVER_LOG_WRITER_H

#include "base/status.h"

typedef struct mu_log_writer mu_log_writer;

/* fd is borrowed, until close(). */
mu_status mu_log_writer_open(int fd, mu_log_writer **out, mu_err *err) MU_MUST_USE;
/* Writes what is queued, for at most a second. NULL is allowed. */
void mu_log_writer_close(mu_log_writer *log);
void mu_log_writer_append(mu_log_writer *log, const char *line, size_t n); /* with its newline */
uint64_t mu_log_writer_n_lost(mu_log_writer *log);

#endif
