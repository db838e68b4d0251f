/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/err.h"
#include "base/log.h"
#include "engine/build.h"
#include "engine/cmd.h"
#include "engine/request.h"

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct weft_request r = {0};
    int rc = weft_request_parse(argc, argv, &r, err);

    if (rc == 0 && r.help) {
        weft_request_help(out);
    } else if (rc == 0) {
        weft_log_set_level(r.debug ? WEFT_LOG_DEBUG : WEFT_LOG_INFO);
        rc = weft_build_run(&r, out, err);
    }
    weft_request_finish(&r);
    return rc;
}

const struct weft_cmd weft_cmd_build = {
    .name = "build",
    .summary = "Build a Dockerfile for one or many platforms",
    .run = run,
};
