/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"

static enum weft_log_level max_level = WEFT_LOG_INFO;
static weft_log_sink_fn *the_sink;
static void *the_sink_data;
static pthread_t the_sink_thread;

void weft_log_set_level(enum weft_log_level level)
{
    max_level = level;
}

enum weft_log_level weft_log_level(void)
{
    return max_level;
}

void weft_log_set_sink(weft_log_sink_fn *sink, void *data)
{
    the_sink = sink;
    the_sink_data = data;
    the_sink_thread = pthread_self();
}

void weft_log(enum weft_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
    weft_auto_free char *text = NULL;
    weft_auto_free char *line = NULL;
    va_list ap;

    if (level > max_level) {
        return;
    }
    va_start(ap, fmt);
    text = weft_vfmt(fmt, ap);
    va_end(ap);
    line = weft_fmt("weft: %s%s", names[level], text);
    if (the_sink && pthread_equal(the_sink_thread, pthread_self())) {
        the_sink(level, line, the_sink_data);
    } else {
        fprintf(stderr, "%s\n", line); /* one call: lines of several threads do not mix */
    }
}
