/* Between fork and exec the child only makes system calls: other threads of ours may hold any lock.
 * What fails there comes back as an errno over a pipe that exec closes. */
#include "bench/probe/server_process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "bench/probe/process.h"

enum {
    READY_POLL_MS = 10,
    END_POLL_MS = 2,
    TAIL_BYTES = 4096,
    ENV_MAX = 4096,
};

struct mu_server_process {
    mu_server_process_facts facts;
    char *output_path; /* owned */
};

/* Starting */

/* "0-3,8" */
static mu_status parse_cpus(const char *text, cpu_set_t *out, mu_err *err) {
    CPU_ZERO(out);
    for (const char *at = text;;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        bool is_good = isdigit((unsigned char)*at) != 0;
        if (is_good && *end == '-') {
            at = end + 1;
            last = strtoul(at, &end, 10);
            is_good = isdigit((unsigned char)*at) != 0;
        }
        if (!is_good || first > last || last >= CPU_SETSIZE || (*end != ',' && *end != '\0')) {
            return mu_fail(err, MU_ERR_INVALID, "cpus: \"%.60s\" is not a list such as 0-3,8",
                           text);
        }
        for (unsigned long cpu = first; cpu <= last; cpu++) {
            CPU_SET(cpu, out);
        }
        if (*end == '\0') return MU_OK;
        at = end + 1;
    }
}

/* Ours and more, of which a later one wins over an earlier one of the same name. The array is the
 * caller's; the texts are borrowed. */
static const char **make_environment(const char *const *more) {
    const char **env = MU_ALLOC(const char *, ENV_MAX + 1);
    size_t n = 0;
    for (size_t source = 0; env && source < 2; source++) {
        const char *const *from = source == 0 ? (const char *const *)environ : more;
        for (; from && *from; from++) {
            size_t n_name = strcspn(*from, "="), i = 0;
            while (i < n && (strncmp(env[i], *from, n_name) != 0 || env[i][n_name] != '=')) {
                i++;
            }
            if (i < ENV_MAX) env[i] = *from;
            if (i == n && n < ENV_MAX) n++;
        }
    }
    return env;
}

typedef struct launch {
    const mu_server_process_options *options;
    const char **env;
    cpu_set_t cpus;
    int output_fd, report_fd;
    pid_t parent;
} launch;

static void run_child(const launch *l) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDONLY);
    bool is_good = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    if (is_good && getppid() != l->parent) _exit(1); /* it ended in between */
    is_good = is_good && dup2(null_fd, STDIN_FILENO) >= 0 &&
              dup2(l->output_fd, STDOUT_FILENO) >= 0 && dup2(l->output_fd, STDERR_FILENO) >= 0;
    if (l->options->cpus) {
        is_good = is_good && sched_setaffinity(0, sizeof(l->cpus), &l->cpus) == 0;
    }
    if (l->options->directory) is_good = is_good && chdir(l->options->directory) == 0;
    if (is_good) {
        execvpe(l->options->argv[0], (char *const *)(uintptr_t)l->options->argv,
                (char *const *)(uintptr_t)l->env);
    }
    int why = errno;
    ssize_t n = write(l->report_fd, &why, sizeof(why));
    (void)n; /* nobody is left to tell */
    _exit(127);
}

/* The child runs argv, or *out_pid is untouched. */
static mu_status start(launch *l, pid_t *out_pid, mu_err *err) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return mu_fail_os(err, MU_ERR_IO, "pipe");
    l->report_fd = report[1];
    l->parent = getpid();
    pid_t pid = fork();
    if (pid == 0) run_child(l);
    close(report[1]);
    mu_status status = MU_OK;
    int why = 0;
    if (pid < 0) {
        status = mu_fail_os(err, MU_ERR_IO, "fork");
    } else if (read(report[0], &why, sizeof(why)) == (ssize_t)sizeof(why)) {
        waitpid(pid, NULL, 0);
        errno = why;
        status = mu_fail_os(err, why == EINVAL ? MU_ERR_INVALID : MU_ERR_NOT_FOUND, "%s",
                            l->options->argv[0]);
    }
    close(report[0]);
    if (status == MU_OK) *out_pid = pid;
    return status;
}

mu_status mu_server_process_open(const mu_server_process_options *options, mu_server_process **out,
                                 mu_err *err) {
    launch l = {.options = options, .output_fd = -1};
    size_t n_path = strlen(options->output_path) + 1;
    mu_server_process *process = mu_alloc(sizeof(*process));
    char *output_path = mu_alloc(n_path);
    l.env = make_environment(options->env);
    mu_status status = process && output_path && l.env
                           ? MU_OK
                           : mu_fail(err, MU_ERR_NOMEM, "%s", options->argv[0]);
    if (status == MU_OK && options->cpus) status = parse_cpus(options->cpus, &l.cpus, err);
    if (status == MU_OK) {
        l.output_fd =
            open(options->output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
        if (l.output_fd < 0) status = mu_fail_os(err, MU_ERR_IO, "%s", options->output_path);
    }
    if (status == MU_OK) {
        memcpy(output_path, options->output_path, n_path);
        process->output_path = output_path;
        process->facts.started_ns = mu_now_ns();
        process->facts.is_running = true;
        status = start(&l, &process->facts.pid, err);
    }
    if (l.output_fd >= 0) close(l.output_fd);
    mu_free(l.env);
    if (status == MU_OK) {
        *out = process;
    } else {
        mu_free(output_path);
        mu_free(process);
    }
    return status;
}

/* Its end */

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Has it ended? */
static bool reap(mu_server_process *p) {
    int how;
    struct rusage used;
    if (!p->facts.is_running) return true;
    if (wait4(p->facts.pid, &how, WNOHANG, &used) != p->facts.pid) return false;
    p->facts.is_running = false;
    p->facts.exit_code = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    p->facts.user_s = seconds(used.ru_utime);
    p->facts.system_s = seconds(used.ru_stime);
    p->facts.resident_bytes_max = (uint64_t)used.ru_maxrss << 10;
    return true;
}

static bool wait_for_end(mu_server_process *p, double grace_s) {
    uint64_t begin_ns = mu_now_ns();
    while (!reap(p)) {
        if ((double)(mu_now_ns() - begin_ns) > grace_s * 1e9) return false;
        poll(NULL, 0, END_POLL_MS);
    }
    return true;
}

/* Whoever descends from it, also outside of its group. */
static void kill_all(pid_t leader, const mu_process_tree *tree) {
    kill(-leader, SIGKILL);
    for (uint32_t i = 1; i < tree->n; i++) {
        kill(tree->pids[i], SIGKILL);
    }
}

void mu_server_process_stop(mu_server_process *p, double grace_s) {
    pid_t leader = p->facts.pid;
    mu_process_tree *tree = mu_alloc(sizeof(*tree)); /* too large for a stack */
    static const mu_process_tree nobody;
    if (reap(p)) {
        kill(-leader, SIGKILL); /* its children may live on */
        mu_free(tree);
        return;
    }
    /* Before it ends its descendants can be told from others. */
    if (tree && mu_process_tree_read(leader, tree, NULL) != MU_OK) tree->n = 0;
    uint64_t begin_ns = mu_now_ns();
    kill(leader, SIGTERM);
    if (!wait_for_end(p, grace_s)) {
        p->facts.was_killed = true;
        if (tree && mu_process_tree_read(leader, tree, NULL) != MU_OK) tree->n = 0;
        kill(leader, SIGKILL);
        wait_for_end(p, 1e9);
    }
    p->facts.stop_s = (double)(mu_now_ns() - begin_ns) / 1e9;
    kill_all(leader, tree ? tree : &nobody);
    mu_free(tree);
}

void mu_server_process_close(mu_server_process *p) {
    if (!p) return;
    mu_server_process_stop(p, 5.0);
    mu_free(p->output_path);
    mu_free(p);
}

mu_server_process_facts mu_server_process_get_facts(mu_server_process *p) {
    reap(p);
    return p->facts;
}

void mu_server_process_tail(const mu_server_process *p, char *out, size_t cap) {
    out[0] = '\0';
    int fd = open(p->output_path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0) {
        off_t from = st.st_size > (off_t)cap - 1 ? st.st_size - ((off_t)cap - 1) : 0;
        ssize_t n = pread(fd, out, cap - 1, from);
        out[n > 0 ? n : 0] = '\0';
    }
    close(fd);
}

/* Waiting */

static mu_status died(mu_server_process *p, mu_err *err) {
    char tail[160];
    mu_server_process_tail(p, tail, sizeof(tail));
    size_t n = strlen(tail);
    while (n > 0 && isspace((unsigned char)tail[n - 1])) {
        tail[--n] = '\0';
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)tail[i] < ' ') tail[i] = tail[i] == '\n' ? '|' : ' ';
    }
    return mu_fail(err, MU_ERR_IO, "the server ended with code %d: %s", p->facts.exit_code,
                   n > 0 ? tail : "it printed nothing");
}

/* One round: the first path that is known to the server decides. */
static bool is_ready(mu_server_process *p, const char *url, double timeout_s) {
    static const char *const paths[] = {"/readyz", "/health", "/v1/models"};
    for (size_t i = 0; i < MU_COUNTOF(paths); i++) {
        char full[512];
        long code = 0;
        snprintf(full, sizeof(full), "%s%s", url, paths[i]);
        if (mu_http_get(full, timeout_s, &code, NULL, NULL) != MU_OK) return false;
        if (code == 200) {
            snprintf(p->facts.ready_path, sizeof(p->facts.ready_path), "%s", paths[i]);
            return true;
        }
        if (code != 404) return false;
    }
    return false;
}

mu_status mu_server_process_wait_ready(mu_server_process *p, const char *url, double timeout_s,
                                       bool (*is_canceled)(void), mu_err *err) {
    uint64_t begin_ns = mu_now_ns();
    for (;;) {
        if (reap(p)) return died(p, err);
        double left_s = timeout_s - (double)(mu_now_ns() - begin_ns) / 1e9;
        if (left_s <= 0.0) {
            return mu_fail(err, MU_ERR_TIMEOUT, "%s: the server is not ready after %.1f s", url,
                           timeout_s);
        }
        if (is_canceled && is_canceled()) return mu_fail(err, MU_ERR_CANCELED, "interrupted");
        if (is_ready(p, url, left_s < 1.0 ? left_s : 1.0)) break;
        poll(NULL, 0, READY_POLL_MS);
    }
    p->facts.ready_s = (double)(mu_now_ns() - p->facts.started_ns) / 1e9;
    return reap(p) ? died(p, err) : MU_OK; /* somebody else may have answered */
}
