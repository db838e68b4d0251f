/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's client configuration, $DOCKER_CONFIG/config.json (~/.docker/config.json): credentials of
 * registries, from the file or from the docker-credential-* program that it names, and the proxies
 * that builds get. Written by `docker login` and the like; weft only reads it.
 */
#ifndef WEFT_ENGINE_REGISTRY_DOCKER_CONFIG_H
#define WEFT_ENGINE_REGISTRY_DOCKER_CONFIG_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/str.h"

struct weft_err;
struct weft_docker_config;

/** Who somebody is to a registry. Start from {0}; end with weft_credentials_finish, which wipes it.
 * Never part of a message, a log, an argument or an environment. */
struct weft_credentials {
    char *user;           /* or NULL */
    char *password;       /* or NULL */
    char *identity_token; /* an OAuth refresh token, instead of both; or NULL */
    char *registry_token; /* what the registry itself takes, as a Bearer token; or NULL */
};
void weft_credentials_finish(struct weft_credentials *c);

/**
 * Read the file. None is fine: then nothing is known. Errors: WEFT_E_USAGE (not readable, not JSON;
 * file and place are named, its content is not). Ownership: caller, weft_docker_config_destroy.
 */
struct weft_docker_config *weft_docker_config_load(struct weft_err **err);

/** Read the text of such a file; `name` is for errors. Otherwise as weft_docker_config_load. */
struct weft_docker_config *weft_docker_config_parse(const char *text, size_t len, const char *name,
                                                    struct weft_err **err);

/** NULL is fine. Secrets are wiped. */
void weft_docker_config_destroy(struct weft_docker_config *c);

/**
 * The credentials of a registry's host, as docker finds them: credHelpers, credsStore, auths (all
 * the spellings of the key, docker.io's too). Unknown: all NULL, returns 0. Starts a helper program
 * where the file names one and waits for it, a minute at most. Errors: WEFT_E_CHILD (the helper is
 * not there, or fails: its name and its own message), WEFT_E_USAGE, WEFT_E_CANCELLED. Thread: any.
 */
int weft_docker_config_credentials(const struct weft_docker_config *c, const char *host,
                                   const atomic_bool *cancel, struct weft_credentials *out,
                                   struct weft_err **err);

/** Append the proxies that the file gives to builds (proxies.default, or those of `daemon_host`;
 * NULL: default) as docker buildx has them: "HTTP_PROXY=...", HTTPS_PROXY, NO_PROXY,
 * FTP_PROXY, those that are not empty. `c` may be NULL. They may hold passwords. */
void weft_docker_config_proxies(const struct weft_docker_config *c, const char *daemon_host,
                                struct weft_strv *out);

#endif
