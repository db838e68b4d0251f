/* SPDX-License-Identifier: Apache-2.0 */
/* An audit, shown: as text, as JSON (engine/audit.schema.json), as SARIF 2.1.0, and its summary. */
#ifndef WEFT_ENGINE_AUDIT_SHOW_H
#define WEFT_ENGINE_AUDIT_SHOW_H

#include <stdbool.h>
#include <stdio.h>

struct weft_audited;

/** A block for each finding, below a line for each platform. `color`: severities have colours. */
void weft_audit_show(const struct weft_audited *a, bool color, FILE *out);

/** What each platform's image needs of a machine, and what it consists of. */
void weft_audit_show_summary(const struct weft_audited *a, FILE *out);

/** As one JSON value, findings and summaries. `strict`: whether warnings fail it. */
void weft_audit_show_json(const struct weft_audited *a, bool strict, FILE *out);

/** As a SARIF log with one run. */
void weft_audit_show_sarif(const struct weft_audited *a, FILE *out);

#endif
