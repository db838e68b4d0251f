/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --load: an image of a stage, given to the container engine of this machine, which is whatever
 * `docker load`, or else `podman load`, talks to. The only place that runs these programs.
 */
#ifndef WEFT_ENGINE_DOCKER_LOAD_H
#define WEFT_ENGINE_DOCKER_LOAD_H

#include <stdatomic.h>

struct weft_descriptor;
struct weft_err;
struct weft_layout_naming;
struct weft_stage;

/** The path of docker, else of podman. Caller frees. NULL where there is neither
 * (WEFT_E_UNSUPPORTED). */
char *weft_docker_program(struct weft_err **err);

/**
 * Ask `program` whether it will be able to load, before a build: docker is nothing without its
 * daemon. Errors: WEFT_E_UNSUPPORTED with what it said; WEFT_E_CHILD where it cannot be run, or
 * says nothing for 30 s. Thread: any; blocks.
 */
int weft_docker_check(const char *program, struct weft_err **err);

/**
 * Give the image of the manifest `root` to `program`. Nothing but the pipe to it holds the image on
 * the way. Errors: WEFT_E_CHILD with what the program said, WEFT_E_IO, WEFT_E_FORMAT,
 * WEFT_E_CANCELLED. Thread: any; blocks.
 */
int weft_docker_load(const char *program, struct weft_stage *stage,
                     const struct weft_descriptor *root, const struct weft_layout_naming *naming,
                     const atomic_bool *cancel, struct weft_err **err);

#endif
