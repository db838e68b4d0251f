/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxies of docker's client configuration, as docker buildx has them: build arguments that
 * BuildKit gives to RUN steps, keeps out of the image and out of cache keys. Here they are also for
 * what weft itself and its workers fetch, since nobody else configures those. Their URLs may hold
 * passwords, which belong on no command line.
 */
#ifndef WEFT_ENGINE_PROXY_ARGS_H
#define WEFT_ENGINE_PROXY_ARGS_H

#include <stdbool.h>

struct weft_request;
struct weft_strv;

/**
 * Set the variables http_proxy, https_proxy and no_proxy of this process, and so of its children,
 * where the configuration has a value and the environment has neither spelling, not even an empty
 * one. A configuration that cannot be read is ignored: who needs more of it says so.
 * Thread: main's, before there is another.
 */
void weft_proxy_env_adopt(void);

/** Fill in r->proxy_args, from the configuration; build_args are there. A configuration that cannot
 * be read becomes a notice. */
void weft_proxy_args_load(struct weft_request *r);

/** Whether a build argument "K=V" is a proxy (in any case of letters) with a user or a password. */
bool weft_proxy_arg_is_secret(const char *arg);

/** Append those of build_args and proxy_args that must not be on buildctl's command line. */
void weft_proxy_args_secret(const struct weft_request *r, struct weft_strv *out);

/** Whether there are any: then the solves go through weft-session (holder.h). */
bool weft_proxy_args_need_relay(const struct weft_request *r);

#endif
