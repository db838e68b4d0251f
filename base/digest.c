/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    CHUNK_BYTES = 1 << 18
};

struct weft_hash {
    EVP_MD_CTX *ctx;
};

bool weft_digest_valid(const char *s)
{
    return s && strncmp(s, "sha256:", 7) == 0 && strspn(s + 7, "0123456789abcdef") == 64 &&
           s[7 + 64] == '\0';
}

const char *weft_digest_hex(const char *digest)
{
    return digest + 7;
}

struct weft_hash *weft_hash_create(void)
{
    struct weft_hash *h = weft_xcalloc(1, sizeof(*h));

    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        abort(); /* SHA-256 is always there: only memory can be out */
    }
    return h;
}

void weft_hash_update(struct weft_hash *h, const void *data, size_t len)
{
    if (EVP_DigestUpdate(h->ctx, data, len) != 1) {
        abort();
    }
}

void weft_hash_final(struct weft_hash *h, char digest[WEFT_DIGEST_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    if (EVP_DigestFinal_ex(h->ctx, raw, &n) != 1 || n != 32) {
        abort();
    }
    memcpy(digest, "sha256:", 7);
    for (unsigned int i = 0; i < n; i++) {
        digest[7 + 2 * i] = hex[raw[i] >> 4];
        digest[7 + 2 * i + 1] = hex[raw[i] & 15];
    }
    digest[7 + 64] = '\0';
}

void weft_hash_destroy(struct weft_hash *h)
{
    if (h) {
        EVP_MD_CTX_free(h->ctx);
        free(h);
    }
}

static void hash_destroyp(struct weft_hash **h)
{
    weft_hash_destroy(*h);
}

#define auto_hash __attribute__((cleanup(hash_destroyp))) struct weft_hash *

void weft_digest_bytes(const void *data, size_t len, char digest[WEFT_DIGEST_SIZE])
{
    auto_hash h = weft_hash_create();

    weft_hash_update(h, data, len);
    weft_hash_final(h, digest);
}

int weft_digest_check_file(const char *path, const char *digest, uint64_t size_bytes,
                           const atomic_bool *cancel, struct weft_err **err)
{
    /* O_NONBLOCK: a FIFO in its place must not stop us */
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    weft_auto_free char *chunk = NULL;
    auto_hash h = NULL;
    char found[WEFT_DIGEST_SIZE];
    uint64_t total = 0;
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return weft_fail_sys(err, errno, "open %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return weft_fail(err, WEFT_E_DIGEST, "%s is not a regular file", path);
    }
    if ((uint64_t)st.st_size != size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s has %lld bytes where %llu are due", path,
                         (long long)st.st_size, (unsigned long long)size_bytes);
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    chunk = weft_xmalloc(CHUNK_BYTES);
    h = weft_hash_create();
    while ((n = read(fd, chunk, CHUNK_BYTES)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(err, errno, "read %s", path);
        }
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        weft_hash_update(h, chunk, (size_t)n);
        total += (uint64_t)n;
    }
    weft_hash_final(h, found);
    if (total != size_bytes || strcmp(found, digest) != 0) {
        return weft_fail(err, WEFT_E_DIGEST, "%s: expected %s with %llu bytes, found %s with %llu",
                         path, digest, (unsigned long long)size_bytes, found,
                         (unsigned long long)total);
    }
    return 0;
}
