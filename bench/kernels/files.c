/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many small files in a directory of $TMPDIR: made, renamed, listed, read, removed. The names are
 * known beforehand, so that nothing is left behind by a failure or a signal.
 */
#include "bench/kernels/kernels.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES = 32,
    LARGEST = 8192
};

static char directory[4096];
static char made[FILES][24], renamed[FILES][24];
static int directory_fd = -1;

static void remove_all(void)
{
    for (int i = 0; i < FILES; i++) {
        unlinkat(directory_fd, made[i], 0);
        unlinkat(directory_fd, renamed[i], 0);
    }
    rmdir(directory);
}

static void end_by_signal(int number)
{
    remove_all();
    signal(number, SIG_DFL);
    raise(number);
}

static void make_directory(void)
{
    static const int deadly[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGALRM};
    const char *tmp = getenv("TMPDIR");

    for (int i = 0; i < FILES; i++) {
        snprintf(made[i], sizeof(made[i]), "new%d.tmp", i);
        snprintf(renamed[i], sizeof(renamed[i]), "file%d", i);
    }
    snprintf(directory, sizeof(directory), "%s/weft-kernel.XXXXXX",
             tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    kernel_need(mkdtemp(directory) != NULL);
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kernel_at_failure(remove_all);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        signal(deadly[i], end_by_signal);
    }
    kernel_need(directory_fd >= 0);
}

static size_t size_of(int i, uint64_t n)
{
    return (size_t)(1 + (n * 61 + (uint64_t)i * 397) % LARGEST);
}

static void write_file(int i, const char *data, size_t size)
{
    int fd = openat(directory_fd, made[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    kernel_need(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
    kernel_need(renameat(directory_fd, made[i], directory_fd, renamed[i]) == 0);
}

static uint32_t read_file(int i, const char *data, size_t size)
{
    static char buffer[LARGEST];
    int fd = openat(directory_fd, renamed[i], O_RDONLY | O_CLOEXEC);
    struct stat st;

    kernel_need(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == (off_t)size);
    kernel_need(read(fd, buffer, sizeof(buffer)) == (ssize_t)size && close(fd) == 0);
    if (memcmp(buffer, data, size) != 0) {
        kernel_fail("%s holds what was not written to it", renamed[i]);
    }
    return kernel_hash(buffer, size < 64 ? size : 64) + (uint32_t)size;
}

static uint32_t list(void)
{
    DIR *dir = fdopendir(openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    uint32_t sum = 0, count = 0;

    kernel_need(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;

        if (entry->d_name[0] != '.') {
            kernel_need(fstatat(directory_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
            sum += kernel_hash(entry->d_name, strlen(entry->d_name)) * (uint32_t)st.st_size;
            count++;
        }
    }
    closedir(dir);
    kernel_need(count == FILES);
    return sum;
}

static void run_files(struct kernel_run *run)
{
    static char data[LARGEST];
    uint32_t seed = 8191;

    for (int i = 0; i < LARGEST; i++) {
        data[i] = (char)(kernel_random(&seed) & 127);
    }
    make_directory();
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        data[n % LARGEST] ^= 1;
        for (int i = 0; i < FILES; i++) {
            write_file(i, data, size_of(i, n));
        }
        kernel_mix(run, list());
        for (int i = 0; i < FILES; i++) {
            kernel_mix(run, read_file(i, data, size_of(i, n)));
            kernel_need(unlinkat(directory_fd, renamed[i], 0) == 0);
        }
    }
    kernel_end(run);
    kernel_at_failure(NULL);
    remove_all();
    close(directory_fd);
}

const struct kernel kernel_files = {"files", 20, "32 small files: made, listed, read, removed",
                                    run_files};
