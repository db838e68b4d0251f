/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build tells its user at its end: the reports of the platforms that failed, what was
 * written where, and the files that --metadata-file and --iidfile name.
 */
#ifndef WEFT_ENGINE_BUILD_REPORT_H
#define WEFT_ENGINE_BUILD_REPORT_H

#include <stdio.h>

struct weft_build;
struct weft_err;

/**
 * Finish the progress display and report. With --quiet the image's id goes to `out`.
 * Returns 0 where the build succeeded and its files are written, else -1 with the error of the
 * command: WEFT_E_BUILD, _CANCELLED, _UNSUPPORTED (every failed platform lacks something), or that
 * of the output that failed.
 */
int weft_build_report(struct weft_build *b, FILE *out, struct weft_err **err);

#endif
