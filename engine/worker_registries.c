/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_registries.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/settings.h"

/* A file of PEM, or none. */
struct pem {
    char digest[WEFT_DIGEST_SIZE];
    char *data;
    size_t len;
};

enum {
    CA,
    CERT,
    KEY,
    N_PEMS
};

struct weft_worker_registries {
    const struct weft_registry_hosts *hosts;
    struct pem (*pems)[N_PEMS]; /* of each host */
};

static int load(const char *path, struct pem *pem, struct weft_err **err)
{
    weft_auto_err failed = NULL;

    if (!path) {
        return 0;
    }
    if (weft_read_file(path, WEFT_SETTINGS_PEM_LIMIT, &pem->data, &pem->len, &failed) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "registries: %s", failed->msg);
    }
    weft_digest_bytes(pem->data, pem->len, pem->digest);
    return 0;
}

struct weft_worker_registries *weft_worker_registries_load(const struct weft_registry_hosts *hosts,
                                                           struct weft_err **err)
{
    static const struct weft_registry_hosts none = {0};
    struct weft_worker_registries *r = weft_xcalloc(1, sizeof(*r));

    r->hosts = hosts ? hosts : &none;
    r->pems = weft_xcalloc(r->hosts->n + 1, sizeof(*r->pems));
    for (size_t i = 0; i < r->hosts->n; i++) {
        const struct weft_registry_host *h = &r->hosts->v[i];

        if (load(h->ca_file, &r->pems[i][CA], err) < 0 ||
            load(h->cert_file, &r->pems[i][CERT], err) < 0 ||
            load(h->key_file, &r->pems[i][KEY], err) < 0) {
            weft_worker_registries_destroy(r);
            return NULL;
        }
    }
    return r;
}

void weft_worker_registries_destroy(struct weft_worker_registries *r)
{
    if (!r) {
        return;
    }
    for (size_t i = 0; i < r->hosts->n; i++) {
        for (int k = 0; k < N_PEMS; k++) {
            if (r->pems[i][k].data) {
                explicit_bzero(r->pems[i][k].data, r->pems[i][k].len);
            }
            free(r->pems[i][k].data);
        }
    }
    free(r->pems);
    free(r);
}

/* "hex.pem" in `dir`. Caller frees. */
static char *file_of(const char *dir, const struct pem *pem)
{
    weft_auto_free char *name = weft_fmt("%s.pem", weft_digest_hex(pem->digest));

    return weft_path_join(dir, name);
}

/* A basic string of TOML. Control characters cannot be in what comes here but in a directory. */
static void put_string(struct weft_buf *b, const char *s)
{
    weft_buf_puts(b, "\"");
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            weft_buf_printf(b, "\\u%04x", (unsigned)*s);
        } else {
            weft_buf_printf(b, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
        }
    }
    weft_buf_puts(b, "\"");
}

static void put_file(struct weft_buf *b, const char *dir, const struct pem *pem)
{
    weft_auto_free char *path = file_of(dir, pem);

    put_string(b, path);
}

static void put_host(struct weft_buf *b, const struct weft_registry_host *h,
                     const struct pem pems[N_PEMS], const char *dir)
{
    weft_buf_puts(b, "[registry.");
    put_string(b, h->host);
    weft_buf_puts(b, "]\n");
    if (h->mirrors.n > 0) {
        weft_buf_puts(b, "mirrors = [");
        for (size_t i = 0; i < h->mirrors.n; i++) {
            weft_buf_puts(b, i == 0 ? "" : ", ");
            put_string(b, h->mirrors.v[i]);
        }
        weft_buf_puts(b, "]\n");
    }
    if (h->http || h->https) { /* where neither is said, this machine is asked by HTTP */
        weft_buf_printf(b, "http = %s\n", h->http ? "true" : "false");
    }
    if (h->insecure) {
        weft_buf_puts(b, "insecure = true\n");
    }
    if (h->ca_file) {
        weft_buf_puts(b, "ca = [");
        put_file(b, dir, &pems[CA]);
        weft_buf_puts(b, "]\n");
    }
    if (h->cert_file) {
        weft_buf_puts(b, "[[registry.");
        put_string(b, h->host);
        weft_buf_puts(b, ".keypair]]\ncert = ");
        put_file(b, dir, &pems[CERT]);
        weft_buf_puts(b, "\nkey = ");
        put_file(b, dir, &pems[KEY]);
        weft_buf_puts(b, "\n");
    }
}

char *weft_worker_registries_toml(const struct weft_worker_registries *r, const char *dir)
{
    struct weft_buf b = {0};

    for (size_t i = 0; r && i < r->hosts->n; i++) {
        put_host(&b, &r->hosts->v[i], r->pems[i], dir);
    }
    return weft_buf_steal(&b);
}

int weft_worker_registries_write(const struct weft_worker_registries *r, const char *dir,
                                 struct weft_err **err)
{
    bool made = false;

    if (weft_rmtree(dir, err) < 0) {
        return -1;
    }
    for (size_t i = 0; r && i < r->hosts->n; i++) {
        for (int k = 0; k < N_PEMS; k++) {
            const struct pem *pem = &r->pems[i][k];
            weft_auto_free char *path = pem->data ? file_of(dir, pem) : NULL;

            if (!path) {
                continue;
            }
            if (!made && weft_private_dir(dir, err) < 0) {
                return -1;
            }
            made = true;
            if (weft_write_file(path, pem->data, pem->len, 0600, err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}
