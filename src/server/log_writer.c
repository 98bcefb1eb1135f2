/* The queue is two buffers: appended to one, written from the other. A pipe that polls as writable
 * takes PIPE_BUF bytes without blocking, so no write is larger; a file always takes them. */
#include "server/log_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

enum { QUEUE_BYTES_MAX = 1 << 20, CLOSE_MS = 1000 };

struct mu_log_writer {
    int fd, wake_fd;
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock;
    mu_buf queued;
    uint64_t n_lost, closing_ns; /* closing_ns: when to give up; 0: it is open */
};

static uint64_t count_lines(const char *text, size_t n) {
    uint64_t n_lines = 0;
    for (size_t i = 0; i < n; i++) {
        n_lines += text[i] == '\n';
    }
    return n_lines;
}

static void lose(mu_log_writer *log, uint64_t n_lines) {
    pthread_mutex_lock(&log->lock);
    log->n_lost += n_lines;
    pthread_mutex_unlock(&log->lock);
}

static uint64_t closing_ns(mu_log_writer *log) {
    pthread_mutex_lock(&log->lock);
    uint64_t ns = log->closing_ns;
    pthread_mutex_unlock(&log->lock);
    return ns;
}

/* Whole lines of text [n] that fit into one write, or as much of a longer one. */
static size_t piece_of(const char *text, size_t n) {
    if (n <= PIPE_BUF) return n;
    const char *end = memrchr(text, '\n', PIPE_BUF);
    return end ? (size_t)(end - text) + 1 : PIPE_BUF;
}

/* False: it is time to give up. */
static bool wait_until_writable(mu_log_writer *log) {
    enum { LOOK_MS = 200 };
    for (;;) {
        struct pollfd target = {.fd = log->fd, .events = POLLOUT};
        if (poll(&target, 1, LOOK_MS) > 0) return true;
        uint64_t give_up_ns = closing_ns(log);
        if (give_up_ns != 0 && mu_now_ns() > give_up_ns) return false;
    }
}

static void write_all(mu_log_writer *log, const mu_buf *text) {
    for (size_t at = 0; at < text->n;) {
        size_t n = piece_of(text->data + at, text->n - at);
        if (!wait_until_writable(log)) {
            lose(log, count_lines(text->data + at, text->n - at));
            return;
        }
        ssize_t n_written = write(log->fd, text->data + at, n);
        if (n_written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n_written != (ssize_t)n) lose(log, count_lines(text->data + at, n));
        at += n; /* a full disk stops the log, not the server */
    }
}

static void *run(void *arg) {
    mu_log_writer *log = arg;
    mu_buf text = {0};
    for (;;) {
        uint64_t count;
        pthread_mutex_lock(&log->lock);
        mu_buf taken = log->queued;
        log->queued = text;
        mu_buf_clear(&log->queued);
        text = taken;
        bool is_over = text.n == 0 && log->closing_ns != 0;
        pthread_mutex_unlock(&log->lock);
        if (is_over) break;
        write_all(log, &text);
        if (text.n > 0) continue;
        ssize_t n = read(log->wake_fd, &count, sizeof(count)); /* waits */
        (void)n;
    }
    mu_buf_deinit(&text);
    return NULL;
}

static void wake(mu_log_writer *log) {
    uint64_t one = 1;
    ssize_t n = write(log->wake_fd, &one, sizeof(one));
    (void)n;
}

mu_status mu_log_writer_open(int fd, mu_log_writer **out, mu_err *err) {
    mu_log_writer *log = mu_alloc(sizeof(*log));
    if (!log) return mu_fail(err, MU_ERR_NOMEM, "log writer");
    log->fd = fd;
    log->wake_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&log->lock, NULL);
    if (log->wake_fd < 0 || (errno = pthread_create(&log->thread, NULL, run, log)) != 0) {
        mu_status status = mu_fail_os(err, MU_ERR_IO, "log writer");
        mu_log_writer_close(log);
        return status;
    }
    log->is_started = true;
    *out = log;
    return MU_OK;
}

void mu_log_writer_close(mu_log_writer *log) {
    if (!log) return;
    if (log->is_started) {
        pthread_mutex_lock(&log->lock);
        log->closing_ns = mu_now_ns() + CLOSE_MS * 1000000ull;
        pthread_mutex_unlock(&log->lock);
        wake(log);
        pthread_join(log->thread, NULL);
    }
    if (log->wake_fd >= 0) close(log->wake_fd);
    pthread_mutex_destroy(&log->lock);
    mu_buf_deinit(&log->queued);
    mu_free(log);
}

void mu_log_writer_append(mu_log_writer *log, const char *line, size_t n) {
    pthread_mutex_lock(&log->lock);
    bool was_empty = log->queued.n == 0, fits = log->queued.n + n <= QUEUE_BYTES_MAX;
    size_t before = log->queued.n;
    if (fits) mu_buf_append(&log->queued, line, n);
    if (!fits || log->queued.failed) {
        log->queued.n = before;
        log->queued.failed = false;
        log->n_lost++;
    }
    pthread_mutex_unlock(&log->lock);
    if (was_empty) wake(log);
}

uint64_t mu_log_writer_n_lost(mu_log_writer *log) {
    pthread_mutex_lock(&log->lock);
    uint64_t n = log->n_lost;
    pthread_mutex_unlock(&log->lock);
    return n;
}
