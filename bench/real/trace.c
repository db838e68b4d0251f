/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace [-c] COMMAND [ARG...]: run a command, and print as the last line of standard output, after
 * "trace: ", a JSON object with each program that it and its children ran: how often it was
 * started, how often it forked, and the CPU time of all its processes. With -c also their system
 * calls; that makes them slower, so the CPU times are those of a run without it. The exit code is
 * the command's.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_SIZE 64

struct program {
    char name[NAME_SIZE];
    uint64_t execs, forks, stops, cpu_ns;
};

/** A thread, or the only one of a process. */
struct task {
    pid_t tid;
    size_t program;
    uint64_t since_ns; /* its CPU time when this program began */
    bool known;        /* the event of its birth was seen, so program is right */
    bool waits;        /* it has stopped before that event */
    bool born;         /* its first stop was seen */
};

static struct program *programs;
static size_t n_programs;
static struct task *tasks;
static size_t n_tasks;
static enum __ptrace_request go = PTRACE_CONT;

/* Room for one more; there is no way on without memory. */
static void *grow(void *array, size_t n, size_t size)
{
    void *bigger = realloc(array, (n + 1) * size);

    if (bigger == NULL) {
        perror("trace");
        abort();
    }
    memset((char *)bigger + n * size, 0, size);
    return bigger;
}

static size_t program_named(const char *name)
{
    for (size_t i = 0; i < n_programs; i++) {
        if (strcmp(programs[i].name, name) == 0) {
            return i;
        }
    }
    programs = grow(programs, n_programs, sizeof(*programs));
    snprintf(programs[n_programs].name, NAME_SIZE, "%s", name);
    return n_programs++;
}

/* The program that a process runs: the name of its file, without what JSON would have to escape. */
static size_t program_of(pid_t pid)
{
    char link[64], path[PATH_MAX];
    const char *name;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\0';
    name = strrchr(path, '/');
    name = name ? name + 1 : "unknown";
    for (char *c = path; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\') {
            *c = '?';
        }
    }
    return program_named(name);
}

/* The CPU time of one thread, also after its end, as long as it has not been waited for. */
static uint64_t cpu_ns(pid_t tid)
{
    char path[64], text[128];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return strtoull(text, NULL, 10);
}

static struct task *task_of(pid_t tid)
{
    for (size_t i = n_tasks; i > 0; i--) {
        if (tasks[i - 1].tid == tid) {
            return &tasks[i - 1];
        }
    }
    tasks = grow(tasks, n_tasks, sizeof(*tasks));
    tasks[n_tasks].tid = tid;
    return &tasks[n_tasks++];
}

static void task_drop(struct task *task)
{
    *task = tasks[--n_tasks];
}

/* What the task has used since its program began is that program's. */
static void account(struct task *task, uint64_t now_ns)
{
    if (task->known && now_ns > task->since_ns) {
        programs[task->program].cpu_ns += now_ns - task->since_ns;
    }
    task->since_ns = now_ns;
}

static void resume(pid_t tid, int sig)
{
    /* it may have been killed meanwhile */
    if (ptrace(go, tid, NULL, (void *)(intptr_t)sig) < 0 && errno != ESRCH) {
        perror("trace: ptrace");
    }
}

static void on_birth(struct task *parent, pid_t tid)
{
    size_t program = parent->program;
    struct task *child;

    programs[program].forks++;
    child = task_of(tid); /* parent may have moved */
    child->program = program;
    child->known = true;
    if (child->waits) {
        child->waits = false;
        resume(tid, 0);
    }
}

static void on_exec(pid_t tid)
{
    unsigned long former = (unsigned long)tid;
    struct task *task;

    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &former);
    task = task_of((pid_t)former);
    account(task, cpu_ns(tid));
    if ((pid_t)former != tid) { /* a thread called exec, and is the process now */
        struct task thread = *task;

        task_drop(task);
        task = task_of(tid);
        *task = thread;
        task->tid = tid;
    }
    task->program = program_of(tid);
    task->known = task->born = true;
    programs[task->program].execs++;
}

/* A task has stopped, and goes on. */
static void on_stop(pid_t tid, int status)
{
    struct task *task = task_of(tid);
    unsigned long message = 0;
    int sig = WSTOPSIG(status);

    switch (status >> 16) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message);
        on_birth(task, (pid_t)message);
        sig = 0;
        break;
    case PTRACE_EVENT_EXEC:
        on_exec(tid);
        sig = 0;
        break;
    default:
        if (sig == (SIGTRAP | 0x80)) {
            programs[task->program].stops++;
            sig = 0;
        } else if (sig == SIGSTOP && !task->born) {
            task->born = true;
            sig = 0;
            if (!task->known) {
                task->waits = true;
                return;
            }
        }
        break;
    }
    resume(tid, sig);
}

/* Until all are gone. Returns the exit code of the first one. */
static int watch(pid_t first)
{
    int result = 1, status;
    siginfo_t info;
    pid_t tid;

    for (;;) {
        memset(&info, 0, sizeof(info));
        /* looked at first: the CPU time of one that has been waited for cannot be read */
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | __WALL | WNOWAIT) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return result;
        }
        tid = info.si_pid;
        if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED ||
            info.si_code == CLD_DUMPED) {
            struct task *task = task_of(tid);

            account(task, cpu_ns(tid));
            task_drop(task);
        }
        if (waitpid(tid, &status, __WALL) != tid) {
            continue;
        }
        if (WIFSTOPPED(status)) {
            on_stop(tid, status);
        } else if (tid == first) {
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
}

static void print(bool calls)
{
    printf("trace: {");
    for (size_t i = 0; i < n_programs; i++) {
        printf("%s\"%s\":{\"execs\":%" PRIu64 ",\"forks\":%" PRIu64 ",\"cpu_ns\":%" PRIu64,
               i > 0 ? "," : "", programs[i].name, programs[i].execs, programs[i].forks,
               programs[i].cpu_ns);
        if (calls) {
            printf(",\"calls\":%" PRIu64, programs[i].stops / 2);
        }
        printf("}");
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    bool calls = argc > 1 && strcmp(argv[1], "-c") == 0;
    char **command = argv + 1 + calls;
    struct task *task;
    int status, code;
    pid_t child;

    if (argc < 2 + calls) {
        fprintf(stderr, "usage: trace [-c] COMMAND [ARG...]\n");
        return 2;
    }
    if (calls) {
        go = PTRACE_SYSCALL;
    }
    child = fork();
    if (child < 0) {
        perror("trace: fork");
        return 1;
    }
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0) {
            execvp(command[0], command);
        }
        perror("trace");
        _exit(127);
    }
    if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child, NULL,
               (void *)(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                        PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0) {
        perror("trace: ptrace");
        return 1;
    }
    task = task_of(child);
    task->program = program_named("trace"); /* until it is the command */
    task->known = task->born = true;
    resume(child, 0);
    code = watch(child);
    print(calls);
    return code;
}
