/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: raised, blocked and pending, and a fault that a handler jumps out of. */
#include "bench/kernels/kernels.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGES = 65536, /* bytes: at least one page, on any machine */
    KNOWN = ~4095, /* s390x does not tell where in a page of this size a fault was */
};

static volatile sig_atomic_t raised, pending;
static sigjmp_buf after_fault;
static void *volatile fault_at;

static void count(int number)
{
    if (number == SIGUSR1) {
        raised++;
    } else {
        pending++;
    }
}

static void leave(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    fault_at = info->si_addr;
    siglongjmp(after_fault, 1);
}

static void handle(int number, struct sigaction *action)
{
    sigemptyset(&action->sa_mask);
    kernel_need(sigaction(number, action, NULL) == 0);
}

static KERNEL_OPAQUE void fault(volatile char *at)
{
    fault_at = NULL;
    if (sigsetjmp(after_fault, 1) == 0) {
        *at = 1;
        kernel_fail("a write to a page without access went through");
    }
    if ((((intptr_t)fault_at ^ (intptr_t)at) & KNOWN) != 0) {
        kernel_fail("the fault was at %#jx, and is said to be at %#jx", (uintmax_t)(uintptr_t)at,
                    (uintmax_t)(uintptr_t)fault_at);
    }
}

static void run_signals(struct kernel_run *run)
{
    struct sigaction counting = {.sa_handler = count};
    struct sigaction leaving = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    char *none = mmap(NULL, PAGES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t self = getpid();
    sigset_t blocked, was;

    kernel_need(none != MAP_FAILED);
    handle(SIGUSR1, &counting);
    handle(SIGUSR2, &counting);
    handle(SIGSEGV, &leaving);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        sig_atomic_t before = pending;
        sigset_t waiting;

        kernel_need(raise(SIGUSR1) == 0);
        kernel_need(sigprocmask(SIG_BLOCK, &blocked, &was) == 0);
        kernel_need(kill(self, SIGUSR2) == 0 && kill(self, SIGUSR2) == 0);
        kernel_need(sigpending(&waiting) == 0 && sigismember(&waiting, SIGUSR2) == 1);
        kernel_need(pending == before);
        kernel_need(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
        fault(none + n % PAGES);
        kernel_mix(run, (uint64_t)raised << 32 | (uint32_t)pending);
    }
    kernel_end(run);
    if ((uint64_t)raised != run->iterations || (uint64_t)pending != run->iterations) {
        kernel_fail("%d and %d signals came", (int)raised, (int)pending);
    }
    munmap(none, PAGES);
}

const struct kernel kernel_signals = {"signals", 3700, "signals raised, pending, and from a fault",
                                      run_signals};
