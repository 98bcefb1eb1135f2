#include "bench/probe/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
    MAP_BYTES = 256 << 20, /* of the file at once, for mincore() */
    READ_BYTES = 1 << 20,
    DROP_TRIES = 20,
    DROP_PAUSE_MS = 10,
};

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same number on every architecture that has it */
#endif

static size_t page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Linux 6.5 and later. */
static bool by_cachestat(int fd, uint64_t *out_resident) {
    struct {
        uint64_t offset, bytes;
    } range = {0, 0}; /* to the end of the file */
    struct {
        uint64_t cached, dirty, written_back, evicted, recently_evicted;
    } stat = {0};
    if (syscall(SYS_cachestat, fd, &range, &stat, 0) != 0) return false;
    *out_resident = stat.cached;
    return true;
}

static bool by_mincore(int fd, uint64_t size, uint64_t *out_resident) {
    unsigned char *pages = mu_alloc(MAP_BYTES / page_bytes());
    uint64_t resident = 0;
    bool is_good = pages != NULL;
    for (uint64_t at = 0; at < size && is_good; at += MAP_BYTES) {
        size_t n = size - at < MAP_BYTES ? (size_t)(size - at) : MAP_BYTES;
        size_t n_pages = (n + page_bytes() - 1) / page_bytes();
        void *map = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, (off_t)at);
        is_good = map != MAP_FAILED && mincore(map, n, pages) == 0;
        for (size_t i = 0; i < n_pages && is_good; i++) {
            resident += pages[i] & 1;
        }
        if (map != MAP_FAILED) munmap(map, n);
    }
    mu_free(pages);
    if (is_good) *out_resident = resident;
    return is_good;
}

static mu_status read_fd(const char *path, int fd, mu_page_cache *out, mu_err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return mu_fail_os(err, MU_ERR_IO, "%s", path);
    if (!S_ISREG(st.st_mode)) return mu_fail(err, MU_ERR_INVALID, "%s: not a file", path);
    mu_page_cache cache = {.source = "cachestat"};
    uint64_t size = (uint64_t)st.st_size;
    cache.n_pages = (size + page_bytes() - 1) / page_bytes();
    if (!by_cachestat(fd, &cache.n_resident)) {
        cache.source = "mincore";
        if (!by_mincore(fd, size, &cache.n_resident)) {
            return mu_fail_os(err, MU_ERR_IO, "%s: what is in the page cache", path);
        }
    }
    if (cache.n_resident > cache.n_pages) cache.n_resident = cache.n_pages; /* read ahead */
    cache.percent =
        cache.n_pages > 0 ? 100.0 * (double)cache.n_resident / (double)cache.n_pages : 100.0;
    *out = cache;
    return MU_OK;
}

static mu_status open_file(const char *path, int *out_fd, mu_err *err) {
    *out_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *out_fd >= 0 ? MU_OK : mu_fail_os(err, MU_ERR_IO, "%s", path);
}

mu_status mu_page_cache_read(const char *path, mu_page_cache *out, mu_err *err) {
    int fd;
    mu_status status = open_file(path, &fd, err);
    if (status != MU_OK) return status;
    status = read_fd(path, fd, out, err);
    close(fd);
    return status;
}

/* Pages that another CPU has just touched are not given up at once, so it is said again. */
mu_status mu_page_cache_drop(const char *path, mu_page_cache *out, mu_err *err) {
    int fd;
    mu_status status = open_file(path, &fd, err);
    if (status != MU_OK) return status;
    for (uint32_t i = 0; i < DROP_TRIES; i++) {
        if (i > 0) poll(NULL, 0, DROP_PAUSE_MS);
        fdatasync(fd); /* dirty pages stay */
        errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        if (errno != 0) status = mu_fail_os(err, MU_ERR_IO, "%s: drop from the page cache", path);
        if (status == MU_OK) status = read_fd(path, fd, out, err);
        if (status != MU_OK || out->percent < 1.0 || out->n_pages == 0) break;
    }
    close(fd);
    if (status == MU_OK && out->n_pages > 0 && out->percent >= 1.0) {
        return mu_fail(err, MU_ERR_BUSY,
                       "%s: %.1f %% stays in the page cache; a process has it mapped, or the file "
                       "system keeps it",
                       path, out->percent);
    }
    return status;
}

mu_status mu_page_cache_warm(const char *path, mu_page_cache *out, mu_err *err) {
    int fd;
    mu_status status = open_file(path, &fd, err);
    if (status != MU_OK) return status;
    char *block = mu_alloc(READ_BYTES);
    if (!block) status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
    ssize_t n = 1;
    while (status == MU_OK && n > 0) {
        n = read(fd, block, READ_BYTES);
        if (n < 0) status = mu_fail_os(err, MU_ERR_IO, "%s: read", path);
    }
    if (status == MU_OK) status = read_fd(path, fd, out, err);
    mu_free(block);
    close(fd);
    return status;
}
