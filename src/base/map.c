#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t written_ns(const struct stat *st) {
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

mu_status mu_map_open(const char *path, mu_map *out, mu_err *err) {
    mu_status status;
    mu_map map = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block the open */
    if (fd < 0) {
        status = errno == ENOENT ? MU_ERR_NOT_FOUND : MU_ERR_IO;
        return mu_fail_os(err, status, "%s", path);
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "%s: stat", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: not a regular file", path);
        goto done;
    }
    map.size = (size_t)st.st_size;
    if (map.size > 0) { /* mmap refuses length 0; an empty file is an empty map */
        void *at = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED) {
            status = mu_fail_os(err, MU_ERR_IO, "%s: map %zu bytes", path, map.size);
            goto done;
        }
        map.data = at;
        map.fd = fd;
        map.written_ns = written_ns(&st);
    }
    *out = map;
    status = MU_OK;
done:
    if (!map.data) close(fd);
    return status;
}

mu_status mu_map_check(const mu_map *map, mu_err *err) {
    struct stat st;
    if (!map->data) return MU_OK;
    if (fstat(map->fd, &st) != 0) return mu_fail_os(err, MU_ERR_IO, "stat");
    bool is_same = (size_t)st.st_size == map->size && written_ns(&st) == map->written_ns;
    return is_same ? MU_OK : mu_fail(err, MU_ERR_IO, "the file was changed since it was opened");
}

void mu_map_close(mu_map *map) {
    if (map->data) {
        munmap((void *)(uintptr_t)map->data, map->size);
        close(map->fd);
    }
    *map = (mu_map){0};
}

void mu_map_drop(const void *data, size_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)data + size) / page * page;
    if (end > first) madvise((void *)first, end - first, MADV_DONTNEED);
}
