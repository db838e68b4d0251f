/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of workers as a part of weft's state: their format, and which BuildKit has used one
 * last. BuildKit's databases have no version that an older buildkitd would look at: it opens what a
 * newer one has written, and promises nothing. So a state remembers the newest BuildKit that it was
 * given to, and is not given to an older one. Shared by weft and weft-init.
 */
#ifndef WEFT_ENGINE_WORKER_STATE_H
#define WEFT_ENGINE_WORKER_STATE_H

#include <stdbool.h>

#include "base/state.h"

struct weft_err;
struct weft_worker_files;

/** STATE/workers. */
extern const struct weft_state_part weft_worker_state;

/**
 * Whether a state may be given to the BuildKit `version` ("v0.32.2"; NULL: not known, and then it
 * may).
 * @param newer set to the version that the state was last used by, where the answer is no; may be
 * NULL. Caller frees
 */
bool weft_worker_state_fits(const struct weft_worker_files *f, const char *version, char **newer);

/** Remember that it is given to that BuildKit. For who holds the state's lock. Errors:
 * WEFT_E_UNSUPPORTED (the state does not fit); WEFT_E_IO. */
int weft_worker_state_give(const struct weft_worker_files *f, const char *version,
                           struct weft_err **err);

/** The newest BuildKit that a state was given to; NULL: not known. Caller frees. */
char *weft_worker_state_buildkit(const struct weft_worker_files *f);

#endif
