/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check NAME [ARG...]: does what the programs of a build do, and looks at the results. It is built
 * for each machine and run under QEMU (binfmt/health.c). Prints "NAME ok" and exits with 0, or
 * prints what is wrong and exits with 1. libc and threads only; 32-bit machines as Debian builds
 * for them, with 64-bit files.
 *
 *   start               arguments, environment, clock
 *   threads             atomics, mutex, condition, thread-local variables, many short threads
 *   processes COMMAND.. fork, exec of COMMAND (which runs "check start"), wait, pipes
 *   signals             masks, SIGSEGV with its address, alternate stack, timers, EINTR
 *   memory              brk, mmap, mremap, mprotect, shared file mappings; DIR for its file
 *   heap                a heap as large as a compiler's, with threads beside it
 *   files DIR           reading, writing, renaming, times, listing a directory
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS = 4,
    ROUNDS = 4000,
    SHORT_THREADS = 24,
    CHILDREN = 12,
    EXECS = 2,
    FILES = 150,
    LONGEST_S = 30,
    MIB = 1 << 20,
    HEAP_STEP = 8 * MIB,
    MARK_STEP = 256 << 10
};

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

/* What has to hold; says what was tried, and errno as it is then. */
#define need(what, condition)                                                \
    do {                                                                     \
        if (!(condition)) {                                                  \
            wrong("%s: not so: %s (%s)", what, #condition, strerror(errno)); \
        }                                                                    \
    } while (0)

static double now(void)
{
    struct timespec t;

    need("clock", clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- start --- */

static void check_start(char **args)
{
    struct timespec nap = {0, 1000000};
    struct timespec wall;
    double begun = now();

    need("arguments", args[0] == NULL || strcmp(args[0], "child") == 0);
    need("environment",
         setenv("GUEST_CHECK", "1", 1) == 0 && strcmp(getenv("GUEST_CHECK"), "1") == 0);
    need("time", clock_gettime(CLOCK_REALTIME, &wall) == 0 && wall.tv_sec > 1577836800);
    need("sleep", nanosleep(&nap, NULL) == 0 && now() - begun >= 0.001);
    need("process", getpid() > 0 && sysconf(_SC_PAGESIZE) >= 4096);
}

/* --- threads --- */

static struct {
    int counter;
    long locked;
    int turn; /* whose of the two that play ping-pong */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_barrier_t barrier;
} shared;

static __thread int own;

static void *count(void *arg)
{
    int id = (int)(intptr_t)arg;

    own = id;
    pthread_barrier_wait(&shared.barrier);
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_fetch_add(&shared.counter, 1, __ATOMIC_SEQ_CST);
        if (i % 8 == 0) {
            need("mutex", pthread_mutex_lock(&shared.mutex) == 0);
            shared.locked++;
            need("mutex", pthread_mutex_unlock(&shared.mutex) == 0);
        }
    }
    need("thread-local variable", own == id);
    return arg;
}

static void *play(void *arg)
{
    int id = (int)(intptr_t)arg;

    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&shared.mutex);
        while (shared.turn != id) {
            pthread_cond_wait(&shared.cond, &shared.mutex);
        }
        shared.turn = !id;
        pthread_cond_signal(&shared.cond);
        pthread_mutex_unlock(&shared.mutex);
    }
    return arg;
}

static void run_threads(void *(*fn)(void *), int n)
{
    pthread_t t[SHORT_THREADS];

    for (int i = 0; i < n; i++) {
        errno = pthread_create(&t[i], NULL, fn, (void *)(intptr_t)i);
        need("a new thread", errno == 0);
    }
    for (int i = 0; i < n; i++) {
        void *got = NULL;

        need("join", pthread_join(t[i], &got) == 0 && got == (void *)(intptr_t)i);
    }
}

static void *allocate(void *arg)
{
    for (int i = 1; i < 40; i++) {
        size_t n = (size_t)(i * 997 % 5000 + 1);
        unsigned char *p = malloc(n);

        need("malloc", p);
        memset(p, i, n);
        need("memory of a thread", p[0] == i && p[n - 1] == i);
        free(p);
    }
    return arg;
}

static void check_threads(void)
{
    pthread_mutex_init(&shared.mutex, NULL);
    pthread_cond_init(&shared.cond, NULL);
    pthread_barrier_init(&shared.barrier, NULL, THREADS);
    run_threads(count, THREADS);
    need("atomic additions", shared.counter == THREADS * ROUNDS);
    need("additions under a lock", shared.locked == THREADS * ROUNDS / 8);
    run_threads(play, 2);
    run_threads(allocate, SHORT_THREADS);
}

/* --- processes --- */

static void wait_for(pid_t pid, int want)
{
    int status = -1;

    need("wait", waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want) {
        wrong("a child ended with status 0x%x instead of exit code %d", (unsigned)status, want);
    }
}

static void check_fork(void)
{
    pid_t pids[CHILDREN];
    int fds[2];
    int seen = 0;
    unsigned char id;

    need("pipe", pipe(fds) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        need("fork", pids[i] >= 0);
        if (pids[i] == 0) {
            unsigned char mine = (unsigned char)i;
            char *p = malloc(100000);

            if (!p || getppid() <= 0) {
                _exit(99);
            }
            memset(p, i, 100000);
            _exit(write(fds[1], &mine, 1) == 1 ? 10 + i : 98);
        }
    }
    close(fds[1]);
    while (read(fds[0], &id, 1) == 1) {
        need("a child's byte", id < CHILDREN);
        seen |= 1 << id;
    }
    close(fds[0]);
    need("each child's byte", seen == (1 << CHILDREN) - 1);
    for (int i = 0; i < CHILDREN; i++) {
        wait_for(pids[i], 10 + i);
    }
}

static pid_t execute(char **command, const int fds[2], bool by_vfork)
{
    pid_t pid = by_vfork ? vfork() : fork();

    if (pid == 0) {
        if (dup2(fds[1], 1) == 1) {
            execv(command[0], command);
        }
        _exit(97);
    }
    return pid;
}

static void check_exec(char **command)
{
    for (int i = 0; i < EXECS; i++) {
        char said[4096] = "";
        size_t len = 0;
        ssize_t n;
        int fds[2];
        pid_t pid;

        need("pipe", pipe(fds) == 0);
        pid = execute(command, fds, i % 2);
        need("fork", pid >= 0);
        close(fds[1]);
        do {
            n = read(fds[0], said + len, sizeof(said) - 1 - len);
            len += n > 0 ? (size_t)n : 0;
        } while (n > 0 && len < sizeof(said) - 1);
        close(fds[0]);
        wait_for(pid, 0);
        if (!strstr(said, "start ok")) {
            wrong("a program that was executed said \"%s\"", said);
        }
    }
}

/* --- signals --- */

static volatile sig_atomic_t caught;
static volatile sig_atomic_t on_other_stack;
static void *volatile fault_address;
static char *volatile protected_page;
static char *volatile other_stack;
static sigjmp_buf back;

enum {
    OTHER_STACK = 128 << 10
};

/* Whether the fault was at p, as far as the machine says: s390x names the page only. */
static bool faulted_at(const char *p)
{
#ifdef __s390x__
    return (uintptr_t)fault_address == ((uintptr_t)p & ~(uintptr_t)4095);
#else
    return fault_address == p;
#endif
}

static void on_plain(int sig, siginfo_t *info, void *context)
{
    (void)context;
    caught = info->si_signo == sig ? sig : -1;
}

/* As a garbage collector does: it lets the access go on. */
static void on_fault_mend(int sig, siginfo_t *info, void *context)
{
    char here;

    (void)sig;
    (void)context;
    fault_address = info->si_addr;
    on_other_stack = &here >= other_stack && &here < other_stack + OTHER_STACK;
    caught++;
    if (caught > 3 || mprotect(protected_page, 4096, PROT_READ | PROT_WRITE) < 0) {
        _exit(96);
    }
}

static void on_fault_leave(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {0};

    sa.sa_sigaction = fn;
    sa.sa_flags = SA_SIGINFO | flags;
    need("sigaction", sigaction(sig, &sa, NULL) == 0);
}

static void check_faults(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    stack_t stack = {0};

    protected_page = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need("mmap", protected_page != MAP_FAILED);
    other_stack = malloc(OTHER_STACK);
    need("malloc", other_stack);
    stack.ss_sp = other_stack;
    stack.ss_size = OTHER_STACK;
    need("sigaltstack", sigaltstack(&stack, NULL) == 0);
    handle(SIGSEGV, on_fault_mend, SA_ONSTACK);
    caught = 0;
    *(volatile char *)(protected_page + 17) = 'x';
    need("a write that faulted and was let go on", caught == 1 && protected_page[17] == 'x');
    need("address of the fault", faulted_at(protected_page + 17));
    need("alternate stack", on_other_stack);
    need("munmap", munmap(protected_page, page) == 0);
    handle(SIGSEGV, on_fault_leave, 0);
    fault_address = NULL;
    if (sigsetjmp(back, 1) == 0) {
        (void)*(volatile char *)(protected_page + 5);
        wrong("reading what is not mapped went well");
    }
    need("address of the fault", faulted_at(protected_page + 5));
    signal(SIGSEGV, SIG_DFL);
}

static void check_masks(void)
{
    sigset_t set, pending;

    handle(SIGUSR1, on_plain, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    caught = 0;
    need("block", sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    need("kill", kill(getpid(), SIGUSR1) == 0);
    need("a blocked signal", caught == 0);
    need("pending", sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    need("unblock", sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    need("a signal let in", caught == SIGUSR1);
    for (int i = 0; i < 200; i++) {
        caught = 0;
        need("raise", raise(SIGUSR1) == 0 && caught == SIGUSR1);
    }
}

/* Again and again, since the first may come before what it is to interrupt. 0: no more. */
static void set_timer(suseconds_t us)
{
    struct itimerval t = {{0, us}, {0, us}};

    need("setitimer", setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static int timer_pipe[2];

/* What it interrupts goes on, and has something to read after the third time. */
static void on_third(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    (void)context;
    if (++caught == 3 && write(timer_pipe[1], "x", 1) != 1) {
        _exit(95);
    }
}

static void check_timers(void)
{
    volatile unsigned long work = 0;
    char byte = 0;

    need("pipe", pipe(timer_pipe) == 0);
    handle(SIGALRM, on_plain, 0);
    caught = 0;
    set_timer(3000);
    need("a call that a signal interrupts",
         read(timer_pipe[0], &byte, 1) == -1 && errno == EINTR && caught == SIGALRM);
    caught = 0;
    while (!caught) { /* in the middle of translated code, without a system call */
        work++;
    }
    set_timer(0);
    handle(SIGALRM, on_third, SA_RESTART);
    caught = 0;
    set_timer(3000);
    need("a call that goes on after a signal",
         read(timer_pipe[0], &byte, 1) == 1 && byte == 'x' && caught >= 3);
    set_timer(0);
    signal(SIGALRM, SIG_DFL);
    alarm(LONGEST_S); /* which shares its timer */
    close(timer_pipe[0]);
    close(timer_pipe[1]);
}

static void *poke(void *arg)
{
    caught = 0;
    while (!caught) {
        usleep(200);
    }
    return arg;
}

static void check_signal_to_thread(void)
{
    pthread_t t;

    handle(SIGUSR2, on_plain, 0);
    caught = 1;
    need("a new thread", pthread_create(&t, NULL, poke, NULL) == 0);
    while (caught) {
        usleep(200);
    }
    need("pthread_kill", pthread_kill(t, SIGUSR2) == 0 && pthread_join(t, NULL) == 0);
    need("a thread's signal", caught == SIGUSR2);
}

/* --- memory --- */

/* One word per step, so that it costs time and not memory. */
static void put_marks(char *from, size_t size, size_t step)
{
    for (size_t i = 0; i + sizeof(uint32_t) <= size; i += step) {
        *(volatile uint32_t *)(void *)(from + i) = (uint32_t)(i / step) ^ 0x5a5a5a5a;
    }
}

static void check_marks(const char *what, const char *from, size_t size, size_t step)
{
    for (size_t i = 0; i + sizeof(uint32_t) <= size; i += step) {
        if (*(const volatile uint32_t *)(const void *)(from + i) !=
            ((uint32_t)(i / step) ^ 0x5a5a5a5a)) {
            wrong("%s: memory changed by itself, %zu bytes from its begin", what, i);
        }
    }
}

/* sbrk may say that there is no more: the room above a program differs from start to start. What it
 * has given has to be there, and stay. Gives the size. */
static size_t grow_heap(char *begin, size_t most)
{
    size_t size = 0;

    need("sbrk", begin != (char *)-1);
    while (size < most && sbrk(HEAP_STEP) == begin + size) {
        for (size_t i = 0; i < HEAP_STEP; i += MARK_STEP) {
            need("new heap is zero", *(volatile uint32_t *)(void *)(begin + size + i) == 0);
        }
        put_marks(begin + size, HEAP_STEP, MARK_STEP);
        size += HEAP_STEP;
    }
    return size;
}

static void check_heap_marks(const char *begin, size_t size)
{
    for (size_t i = 0; i < size; i += HEAP_STEP) {
        check_marks("heap", begin + i, HEAP_STEP, MARK_STEP);
    }
}

static void check_brk(void)
{
    char *begin = sbrk(0);
    size_t size = grow_heap(begin, 64 * MIB);

    check_heap_marks(begin, size);
    need("a smaller heap", sbrk(-(intptr_t)size) == begin + size && sbrk(0) == begin);
    if (sbrk(MIB) == begin) {
        need("heap that comes back is zero", begin[0] == 0 && begin[MARK_STEP] == 0);
    }
}

static void check_mmap(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p[64];
    char *big, *moved;
    size_t reserve = sizeof(void *) == 8 ? (size_t)1024 * MIB : (size_t)192 * MIB;

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 64; i++) {
            size_t n = (size_t)(i % 7 + 1) * page;

            p[i] = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            need("mmap", p[i] != MAP_FAILED);
            put_marks(p[i], n, page);
        }
        for (int i = 0; i < 64; i += 2) {
            need("munmap", munmap(p[i], (size_t)(i % 7 + 1) * page) == 0);
        }
        for (int i = 1; i < 64; i += 2) {
            check_marks("mmap", p[i], (size_t)(i % 7 + 1) * page, page);
            need("munmap", munmap(p[i], (size_t)(i % 7 + 1) * page) == 0);
        }
    }
    big = mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need("a large reservation", big != MAP_FAILED);
    moved = mmap(big + 32 * MIB, 16 * page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    need("mmap at an address", moved == big + 32 * MIB);
    put_marks(moved, 16 * page, page);
    need("mprotect", mprotect(big, 8 * page, PROT_READ | PROT_WRITE) == 0);
    put_marks(big, 8 * page, page);
    check_marks("mmap at an address", moved, 16 * page, page);
    check_marks("mprotect", big, 8 * page, page);
    need("munmap", munmap(big, reserve) == 0);
}

static void check_mremap(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = 8 * page;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    need("mmap", p != MAP_FAILED);
    put_marks(p, size, page);
    for (int i = 0; i < 10; i++) {
        char *q = mremap(p, size, size * 2, MREMAP_MAYMOVE);

        need("mremap to more", q != MAP_FAILED);
        check_marks("mremap to more", q, size, page);
        size *= 2;
        p = q;
        put_marks(p, size, page);
    }
    p = mremap(p, size, 4 * page, MREMAP_MAYMOVE);
    need("mremap to less", p != MAP_FAILED);
    check_marks("mremap to less", p, 4 * page, page);
    need("munmap", munmap(p, 4 * page) == 0);
}

static void check_file_mapping(const char *dir)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char name[4096];
    char word[8] = "";
    char *p, *own_copy;
    int fd;

    snprintf(name, sizeof(name), "%s/mapped", dir);
    fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    need("a file", fd >= 0 && ftruncate(fd, (off_t)(4 * page)) == 0);
    p = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    own_copy = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)page);
    need("a mapped file", p != MAP_FAILED && own_copy != MAP_FAILED);
    memcpy(p + page + 3, "shared", 7);
    need("shared with a reader",
         pread(fd, word, 7, (off_t)page + 3) == 7 && strcmp(word, "shared") == 0);
    need("shared with another mapping", strcmp(own_copy + 3, "shared") == 0);
    memcpy(own_copy + 3, "my own", 7);
    need("private", strcmp(p + page + 3, "shared") == 0 && strcmp(own_copy + 3, "my own") == 0);
    need("written", pwrite(fd, "by call", 8, 100) == 8 && strcmp(p + 100, "by call") == 0);
    need("munmap", munmap(p, 4 * page) == 0 && munmap(own_copy, 2 * page) == 0);
    close(fd);
    unlink(name);
}

/*
 * What a large cc1 does. QEMU and its guest share one address space: where a kernel has put QEMU's
 * own heap just above the guest's, the guest's grows over it, and QEMU crashes or the guest does.
 * The place differs from start to start, so this is run several times.
 */
static void check_heap(void)
{
    pthread_t t;
    char *begin;
    size_t size;

    need("a new thread", pthread_create(&t, NULL, allocate, NULL) == 0);
    begin = sbrk(0);
    size = grow_heap(begin, (size_t)1024 * MIB);
    need("join", pthread_join(t, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        char *p = malloc((size_t)(i * 7919 % 100000 + 1));

        need("malloc", p);
        *p = 1;
        if (i % 3) {
            free(p);
        }
    }
    check_heap_marks(begin, size);
}

/* --- files --- */

static void check_io(const char *dir)
{
    static const off_t far = (off_t)5 << 30;
    char name[4096], other[4096], link_name[4096];
    char text[16] = "";
    struct timespec times[2] = {{1000000000, 5}, {1000000001, 7}};
    struct stat st;
    int fd;

    snprintf(name, sizeof(name), "%s/file", dir);
    snprintf(other, sizeof(other), "%s/other", dir);
    snprintf(link_name, sizeof(link_name), "%s/link", dir);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    need("a new file", fd >= 0);
    need("fcntl", (fcntl(fd, F_GETFD) & FD_CLOEXEC) && fchmod(fd, 0640) == 0);
    need("flock", flock(fd, LOCK_EX | LOCK_NB) == 0);
    need("write", write(fd, "0123456789", 10) == 10 && lseek(fd, 4, SEEK_SET) == 4);
    need("read", read(fd, text, 15) == 6 && strcmp(text, "456789") == 0);
    need("a place beyond 4 GiB", pwrite(fd, "far", 3, far) == 3 && fstat(fd, &st) == 0);
    need("size", st.st_size == far + 3 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0640);
    need("seek",
         lseek(fd, -3, SEEK_END) == far && read(fd, text, 3) == 3 && memcmp(text, "far", 3) == 0);
    need("truncate", ftruncate(fd, 10) == 0 && futimens(fd, times) == 0 && close(fd) == 0);
    need("link", symlink("file", link_name) == 0 && readlink(link_name, text, 16) == 4 &&
                     memcmp(text, "file", 4) == 0);
    need("stat", stat(link_name, &st) == 0 && st.st_size == 10);
    need("time", st.st_mtim.tv_sec == 1000000001 && st.st_mtim.tv_nsec == 7);
    need("lstat", lstat(link_name, &st) == 0 && S_ISLNK(st.st_mode));
    need("rename", rename(name, other) == 0 && access(name, F_OK) == -1 && errno == ENOENT);
    need("unlink", unlink(other) == 0 && unlink(link_name) == 0);
}

static void check_listing(const char *dir)
{
    unsigned char seen[FILES] = {0};
    char name[4096];
    int found = 0;
    struct dirent *e;
    DIR *d;

    snprintf(name, sizeof(name), "%s/many", dir);
    need("mkdir", mkdir(name, 0755) == 0);
    for (int i = 0; i < FILES; i++) {
        int fd;

        snprintf(name, sizeof(name), "%s/many/a-name-of-some-length-%d", dir, i);
        fd = open(name, O_WRONLY | O_CREAT, 0644);
        need("a new file", fd >= 0 && close(fd) == 0);
    }
    snprintf(name, sizeof(name), "%s/many", dir);
    d = opendir(name);
    need("opendir", d);
    while ((errno = 0, e = readdir(d))) {
        struct stat st;
        int i;

        if (e->d_name[0] == '.') {
            continue;
        }
        need("a name in a directory", sscanf(e->d_name, "a-name-of-some-length-%d", &i) == 1);
        need("a name in a directory", i >= 0 && i < FILES && !seen[i]);
        seen[i] = 1;
        found++;
        if (i % 16 == 0) {
            need("its inode", fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_ino == e->d_ino);
        }
        need("unlink", unlinkat(dirfd(d), e->d_name, 0) == 0);
    }
    need("end of a directory", errno == 0 && found == FILES);
    need("closedir", closedir(d) == 0 && rmdir(name) == 0);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const char *arg = argc > 2 ? argv[2] : NULL;

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(LONGEST_S); /* should whoever started it be gone */
    if (strcmp(name, "start") == 0) {
        check_start(argv + 2);
    } else if (strcmp(name, "threads") == 0) {
        check_threads();
    } else if (strcmp(name, "processes") == 0 && arg) {
        check_fork();
        check_exec(argv + 2);
    } else if (strcmp(name, "signals") == 0) {
        check_masks();
        check_faults();
        check_timers();
        check_signal_to_thread();
    } else if (strcmp(name, "memory") == 0 && arg) {
        check_brk();
        check_mmap();
        check_mremap();
        check_file_mapping(arg);
    } else if (strcmp(name, "heap") == 0) {
        check_heap();
    } else if (strcmp(name, "files") == 0 && arg) {
        check_io(arg);
        check_listing(arg);
    } else {
        printf(
            "usage: check start|threads|processes COMMAND...|signals|memory DIR|heap|files DIR\n");
        return 2;
    }
    printf("%s ok\n", name);
    return 0;
}
