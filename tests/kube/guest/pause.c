/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: process 1 of a pod. Holds the pod's namespaces open, and takes in the exit status of
 * orphans.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signum)
{
    (void)signum;
    _exit(0);
}

static void reap(int signum)
{
    (void)signum;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        continue;
    }
}

int main(void)
{
    struct sigaction on_end = {.sa_handler = leave};
    struct sigaction on_child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

    if (sigaction(SIGINT, &on_end, NULL) < 0 || sigaction(SIGTERM, &on_end, NULL) < 0 ||
        sigaction(SIGCHLD, &on_child, NULL) < 0) {
        return EXIT_FAILURE;
    }
    for (;;) {
        pause();
    }
}
