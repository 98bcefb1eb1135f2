#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "cmd/cmd.h"
#include "format/json.h"

static mu_status start(const char *const *argv, int out_fd, pid_t *pid, mu_err *err) {
    posix_spawn_file_actions_t actions;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure == 0) {
        failure = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
        if (failure == 0) {
            failure = posix_spawn(pid, "/proc/self/exe", &actions, NULL,
                                  (char *const *)(uintptr_t)argv, environ);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    errno = failure;
    return failure == 0 ? MU_OK : mu_fail_os(err, MU_ERR_IO, "muai %s: start", argv[1]);
}

static mu_status read_until_closed(int fd, mu_buf *out, mu_err *err) {
    char chunk[4096];
    for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) != 0;) {
        if (n > 0) mu_buf_append(out, chunk, (size_t)n);
        if (n < 0 && errno != EINTR) return mu_fail_os(err, MU_ERR_IO, "output of the child");
    }
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "output of the child") : MU_OK;
}

static mu_status judge(const char *command, int wait_status, mu_err *err) {
    int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    if (code == MU_EXIT_OK) return MU_OK;
    if (code == MU_EXIT_INTERRUPTED) return mu_fail(err, MU_ERR_CANCELED, "interrupted");
    return mu_fail(err, MU_ERR_IO, "muai %s: ended with code %d", command, code);
}

mu_status mu_child_json(const char *const *argv, json_t **out, mu_err *err) {
    int fds[2], wait_status = 0;
    pid_t pid = -1;
    mu_buf text = {0};
    if (pipe2(fds, O_CLOEXEC) != 0) return mu_fail_os(err, MU_ERR_IO, "pipe");
    mu_status status = start(argv, fds[1], &pid, err);
    close(fds[1]);
    if (status == MU_OK) status = read_until_closed(fds[0], &text, err);
    close(fds[0]);
    while (pid > 0 && waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {}
    if (status == MU_OK) status = judge(argv[1], wait_status, err);
    if (status == MU_OK) status = mu_json_parse(text.data ? text.data : "", text.n, out, err);
    mu_buf_deinit(&text);
    return status;
}
