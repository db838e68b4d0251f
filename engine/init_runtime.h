/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an OCI runtime works where this worker is. Its options say whether it is new enough for
 * BuildKit, but not whether it can make a container here: crun, for one, refuses a machine whose
 * cgroups are of both versions. So it is given one to run, as BuildKit would give it.
 */
#ifndef WEFT_ENGINE_INIT_RUNTIME_H
#define WEFT_ENGINE_INIT_RUNTIME_H

#include <stdbool.h>

/**
 * Run `program --version` in a container of `runtime`. To be called in the worker's namespaces.
 * @param program a static program, by its absolute path
 * @param dir     an existing private directory; what is made in it is removed again
 * @param pid_ns  whether the containers have a PID namespace and a /proc of their own
 * @param why     receives, on failure, what the runtime said, in one line; caller frees
 */
bool weft_init_runtime_works(const char *runtime, const char *program, const char *dir, bool pid_ns,
                             char **why);

#endif
