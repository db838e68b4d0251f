/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/init_runtime.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

enum {
    WHY_BYTES = 300
};

static struct weft_json *strings(const char *const *v, size_t n)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < n; i++) {
        weft_json_append_str(list, v[i]);
    }
    return list;
}

/* Not read-only: that takes another mount(2), which the kernel refuses in a user namespace where
 * the source is nosuid or nodev, as /proc is. */
static struct weft_json *bind(const char *source, const char *destination, const char *how)
{
    struct weft_json *m = weft_json_object();

    weft_json_set_str(m, "destination", destination);
    weft_json_set_str(m, "type", "bind");
    weft_json_set_str(m, "source", source);
    weft_json_set(m, "options", strings((const char *const[]){how}, 1));
    return m;
}

static struct weft_json *proc_mount(void)
{
    struct weft_json *m = weft_json_object();

    weft_json_set_str(m, "destination", "/proc");
    weft_json_set_str(m, "type", "proc");
    weft_json_set_str(m, "source", "proc");
    return m;
}

/* config.json of the OCI runtime specification: the least that BuildKit's have in common. */
static char *config_text(const char *program, bool pid_ns)
{
    static const char *const kinds[] = {"mount", "ipc", "uts", "pid"};
    weft_auto_json config = weft_json_object();
    struct weft_json *process = weft_json_object();
    struct weft_json *user = weft_json_object();
    struct weft_json *root = weft_json_object();
    struct weft_json *mounts = weft_json_array();
    struct weft_json *namespaces = weft_json_array();
    struct weft_json *lin = weft_json_object();

    weft_json_set_int(user, "uid", 0);
    weft_json_set_int(user, "gid", 0);
    weft_json_set(process, "user", user);
    weft_json_set(process, "args", strings((const char *const[]){"/program", "--version"}, 2));
    weft_json_set(process, "env", strings((const char *const[]){"PATH=/"}, 1));
    weft_json_set_str(process, "cwd", "/");
    weft_json_set_str(root, "path", "root");
    weft_json_append(mounts, pid_ns ? proc_mount() : bind("/proc", "/proc", "rbind"));
    weft_json_append(mounts, bind(program, "/program", "bind"));
    for (size_t i = 0; i < (pid_ns ? 4 : 3); i++) {
        struct weft_json *ns = weft_json_object();

        weft_json_set_str(ns, "type", kinds[i]);
        weft_json_append(namespaces, ns);
    }
    weft_json_set(lin, "namespaces", namespaces);
    weft_json_set_str(config, "ociVersion", "1.0.2");
    weft_json_set(config, "process", process);
    weft_json_set(config, "root", root);
    weft_json_set_str(config, "hostname", "weft");
    weft_json_set(config, "mounts", mounts);
    weft_json_set(config, "linux", lin);
    return weft_json_dump(config, 0);
}

/* What it failed of: the last line that it said; of runc's log lines, the message. Caller frees. */
static char *last_words(const char *said)
{
    static const char key[] = " msg=\"";
    weft_auto_strv lines = {0};
    const char *line = "", *message;

    weft_split(said, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        line = *lines.v[i] ? lines.v[i] : line;
    }
    message = strstr(line, key);
    if (message && weft_ends_with(line, "\"")) {
        weft_auto_free char *bare = NULL;

        message += sizeof(key) - 1;
        bare = weft_xstrndup(message, strlen(message) - 1);
        return weft_printable(bare);
    }
    return weft_printable(line);
}

/* Run the container in `bundle`. 0 or -1 with what was said. */
static int trial(const char *runtime, const char *program, const char *bundle, bool pid_ns,
                 struct weft_err **err)
{
    weft_auto_free char *config = config_text(program, pid_ns);
    weft_auto_free char *config_path = weft_path_join(bundle, "config.json");
    weft_auto_free char *root = weft_path_join(bundle, "root");
    weft_auto_free char *said = NULL;
    weft_auto_free char *shown = NULL;
    weft_auto_strv argv = {0};
    int code;

    if (weft_mkdirs(root, 0755, err) < 0 ||
        weft_write_file(config_path, config, strlen(config), 0600, err) < 0) {
        return -1;
    }
    weft_strv_add(&argv, weft_path_base(runtime));
    weft_strv_addf(&argv, "--root=%s/state", bundle);
    weft_strv_add(&argv, "run");
    weft_strv_addf(&argv, "--bundle=%s", bundle);
    weft_strv_add(&argv, "weft-trial");
    code = weft_run_capture(runtime, argv.v, 1, &said, err);
    if (code <= 0) {
        return code;
    }
    shown = last_words(said);
    return weft_fail(err, WEFT_E_CHILD, "%.*s (exit code %d)", WHY_BYTES, shown, code);
}

bool weft_init_runtime_works(const char *runtime, const char *program, const char *dir, bool pid_ns,
                             char **why)
{
    weft_auto_free char *bundle = weft_path_join(dir, "trial");
    weft_auto_err err = NULL;
    bool works = trial(runtime, program, bundle, pid_ns, &err) == 0;

    if (!works) {
        *why = weft_fmt("%s", err->msg);
    }
    (void)weft_rmtree(bundle, NULL); /* whatever is left goes with `dir` */
    return works;
}
