/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives from anywhere, unpacked: nothing outside of the directory may change. The first byte
 * says how the rest is taken: "t" as the archive itself; "e" as lines "TYPE NAME [LINK]", each an
 * entry of a tar, since few changes of a tar leave its check sums right.
 */
#include "config.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/unpack.h"
#include "tests/tar_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void make_tar(const char *lines, struct weft_buf *tar)
{
    weft_auto_strv all = {0};

    weft_split(lines, '\n', &all);
    for (size_t i = 0; i < all.n; i++) {
        weft_auto_strv words = {0};

        weft_split(all.v[i], ' ', &words);
        if (words.n >= 2 && words.v[0][0]) {
            tar_entry(tar, words.v[0][0], words.v[1], words.n > 2 ? words.v[2] : NULL, 0700, "evil",
                      words.v[0][0] == '0' ? 4 : 0);
        }
    }
    tar_end(tar);
}

/* What else is in `dir` beside "in" and "victim". */
static void check_outside(const char *dir)
{
    weft_auto_free char *victim = weft_path_join(dir, "victim");
    weft_auto_free char *text = NULL;
    weft_auto_dir d = opendir(dir);
    const struct dirent *e;
    struct stat st;

    require(d != NULL);
    while ((e = readdir(d))) {
        require(e->d_name[0] == '.' || strcmp(e->d_name, "in") == 0 ||
                strcmp(e->d_name, "victim") == 0);
    }
    require(stat(victim, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600);
    require(weft_read_file(victim, 100, &text, NULL, NULL) == 0 && strcmp(text, "safe") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Dockerfile", "a", NULL};
    weft_auto_free char *dir = weft_temp_dir("/tmp", "weft-fuzz", NULL);
    weft_auto_free char *in = dir ? weft_path_join(dir, "in") : NULL;
    weft_auto_free char *victim = dir ? weft_path_join(dir, "victim") : NULL;
    weft_auto_buf tar = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *text = NULL;
    struct weft_unpacked out = {0};
    weft_auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct weft_archive_input input = {.fd = fd, .name = "input"};
    size_t len = 0;
    int rc;

    require(dir && fd >= 0 && weft_mkdirs(in, 0700, NULL) == 0 &&
            weft_write_file(victim, "safe", 4, 0600, NULL) == 0);
    if (size > 0 && data[0] == 'e') {
        weft_auto_free char *lines = weft_xstrndup((const char *)data + 1, size - 1);

        make_tar(lines, &tar);
    } else if (size > 0) {
        weft_buf_append(&tar, data + 1, size - 1);
    }
    (void)weft_archive_kind(tar.data, tar.len);
    require(weft_write_all(fd, tar.data, tar.len, "memfd", NULL) == 0 &&
            lseek(fd, 0, SEEK_SET) == 0);
    rc = weft_unpack(&input, in, &out, &err);
    require(rc == 0 ? !err : err->code == WEFT_E_FORMAT || err->code == WEFT_E_IO);
    check_outside(dir);
    weft_unpacked_finish(&out);
    require(lseek(fd, 0, SEEK_SET) == 0);
    rc = weft_archive_read_file(&input, names, 1000, &text, &len, NULL);
    require(rc != 1 || strlen(text) <= len);
    require(weft_rmtree(dir, NULL) == 0);
    return 0;
}
