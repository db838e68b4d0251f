/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_commands.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"
#include "bench/compare.h"
#include "bench/nodes.h"
#include "bench/prices.h"
#include "bench/result.h"
#include "engine/bench_compare_show.h"
#include "engine/bench_page.h"
#include "engine/flags.h"
#include "platforms/platform.h"

struct options {
    bool csv, json, help;
    char *html, *output, *prices;
    struct weft_strv platform, price;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 0, "csv", NULL, offsetof(struct options, csv),
     "print a row for each platform and node as CSV"},
    {WEFT_FLAG_VALUE, 0, "html", "FILE", offsetof(struct options, html),
     "write a page to look at to FILE, which needs nothing else; \"-\": to\n"
     "standard output"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "print the comparison as JSON"},
    {WEFT_FLAG_VALUE, 'o', "output", "FILE", offsetof(struct options, output),
     "write to FILE what would be printed"},
    {WEFT_FLAG_LIST, 0, "platform", "PLATFORM", offsetof(struct options, platform),
     "compare for this platform; several with commas, or given several\n"
     "times (default: all that were measured)"},
    {WEFT_FLAG_LIST, 0, "price", "NAME=PRICE", offsetof(struct options, price),
     "what a node costs per hour, or each node of a pool or an instance\n"
     "type, in any money; may be given several times"},
    {WEFT_FLAG_VALUE, 0, "prices", "FILE", offsetof(struct options, prices),
     "read prices from FILE: lines of NAME,PRICE; empty ones and those\n"
     "that begin with # are left out; --price is stronger"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    RESULTS_MAX = 10000,
    PRICES_MAX_BYTES = 1 << 20,
};

static void options_finish(struct options *o)
{
    free(o->html);
    free(o->output);
    free(o->prices);
    weft_strv_finish(&o->platform);
    weft_strv_finish(&o->price);
}

static void print_help(FILE *out)
{
    fputs(
        "usage: weft bench compare [FLAGS] FILE|DIR...\n"
        "\n"
        "Compares nodes by their results of weft bench run (a FILE, \"-\" for standard input, or\n"
        "each *.json of a DIR): for each platform, on which node builds take least time, natively\n"
        "or emulated, and with prices, where they cost least.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft bench compare results/\n"
          "  weft bench compare --platform linux/arm64 amd.json arm.json\n"
          "  weft bench compare --price m7g.large=0.0816 --price m7a.large=0.1159 results/\n"
          "  weft bench compare --prices prices.csv --html nodes.html results/\n",
          out);
}

/* --- what is read --- */

/* A file that cannot be read or is no result is a wrong argument: nothing has been done yet. In a
 * directory its name is anybody's. */
static int wrong_file(struct weft_err **err)
{
    if (err && *err) {
        char *shown = weft_printable((*err)->msg);

        free((*err)->msg);
        (*err)->msg = shown;
        (*err)->code = WEFT_E_USAGE;
    }
    return -1;
}

static int add_file(struct weft_nodes *nodes, const char *path, struct weft_err **err)
{
    struct weft_bench_result r = {0};

    if (nodes->n_files >= RESULTS_MAX) {
        return weft_fail(err, WEFT_E_USAGE, "there are more than %d results", RESULTS_MAX);
    }
    if (weft_bench_result_load(path, &r, err) < 0) {
        return wrong_file(err);
    }
    weft_nodes_add(nodes, path, &r);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that begins with a dot is a file in the making. */
static bool is_result(const char *dir, const char *name)
{
    weft_auto_free char *path = weft_path_join(dir, name);
    struct stat st;

    return *name != '.' && weft_ends_with(name, ".json") &&
           (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

static int list_dir(const char *path, struct weft_strv *names, struct weft_err **err)
{
    weft_auto_dir d = opendir(path);
    weft_auto_free char *shown = weft_printable(path);
    const struct dirent *e;

    if (!d) {
        weft_fail_sys(err, errno, "open %s", shown);
        return wrong_file(err);
    }
    for (errno = 0; (e = readdir(d)); errno = 0) {
        if (is_result(path, e->d_name)) {
            weft_strv_add(names, e->d_name);
        }
    }
    if (errno != 0) {
        weft_fail_sys(err, errno, "read %s", shown);
        return wrong_file(err);
    }
    if (names->n == 0) {
        weft_fail(err, WEFT_E_USAGE, "there is no result in %s: no file *.json", shown);
        return weft_err_hint(err, "weft bench run --output %s/NODE.json, on each node", shown);
    }
    qsort(names->v, names->n, sizeof(*names->v), by_name);
    return 0;
}

static int add_dir(struct weft_nodes *nodes, const char *path, struct weft_err **err)
{
    weft_auto_strv names = {0};

    if (list_dir(path, &names, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_free char *file = weft_path_join(path, names.v[i]);

        if (add_file(nodes, file, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int read_results(struct weft_nodes *nodes, const struct weft_strv *args,
                        struct weft_err **err)
{
    if (args->n == 0) {
        weft_fail(err, WEFT_E_USAGE, "bench compare: which results?");
        return weft_err_hint(err, "weft bench compare --help");
    }
    for (size_t i = 0; i < args->n; i++) {
        if ((weft_is_dir(args->v[i]) ? add_dir : add_file)(nodes, args->v[i], err) < 0) {
            return -1;
        }
    }
    weft_nodes_settle(nodes);
    return 0;
}

static int read_prices(const struct options *o, struct weft_prices *prices, struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    size_t len;

    if (o->prices) {
        weft_auto_free char *shown = weft_printable(o->prices);

        if (weft_read_file(o->prices, PRICES_MAX_BYTES, &text, &len, err) < 0) {
            return wrong_file(err);
        }
        if (weft_prices_read(prices, text, len, shown, err) < 0) {
            return weft_err_wrap(err, "--prices");
        }
    }
    for (size_t i = 0; i < o->price.n; i++) {
        if (weft_prices_add(prices, o->price.v[i], err) < 0) {
            return weft_err_wrap(err, "--price");
        }
    }
    return 0;
}

/* The names in normal form. */
static int read_platforms(const struct options *o, struct weft_strv *out, struct weft_err **err)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < o->platform.n; i++) {
        weft_split(o->platform.v[i], ',', &names);
    }
    for (size_t i = 0; i < names.n; i++) {
        struct weft_platform p;
        char name[WEFT_PLATFORM_SIZE];

        if (weft_platform_parse(names.v[i], &p, err) < 0) {
            return weft_err_wrap(err, "--platform");
        }
        weft_strv_add(out, weft_platform_format(&p, name));
    }
    return 0;
}

/* --- what is written --- */

static bool is_stdout(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

/* Columns of the terminal that `out` is; 0: it is none. */
static size_t columns_of(FILE *out)
{
    struct winsize w;

    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static int put(const char *text, const char *path, FILE *out, struct weft_err **err)
{
    if (!is_stdout(path)) {
        return weft_write_file(path, text, strlen(text), 0644, err);
    }
    fputs(text, out);
    return 0;
}

static int put_comparison(const struct options *o, const struct weft_comparison *c, FILE *out,
                          struct weft_err **err)
{
    weft_auto_free char *page = o->html ? weft_bench_page(c) : NULL;
    weft_auto_free char *text = NULL;

    if (page && put(page, o->html, out, err) < 0) {
        return -1;
    }
    if (page && is_stdout(o->html) && !o->output) {
        return 0;
    }
    text = o->json  ? weft_bench_compare_json(c)
           : o->csv ? weft_bench_compare_csv(c)
                    : weft_bench_compare_text(c, is_stdout(o->output) ? columns_of(out) : 0);
    return put(text, o->output, out, err);
}

static int check_options(const struct options *o, struct weft_err **err)
{
    if (o->csv && o->json) {
        return weft_fail(err, WEFT_E_USAGE, "--csv and --json: only one can be printed");
    }
    if (o->html && is_stdout(o->html) && (o->output ? is_stdout(o->output) : o->csv || o->json)) {
        weft_fail(err, WEFT_E_USAGE, "--html -: standard output cannot have anything else");
        return weft_err_hint(err, "--output FILE writes the rest to a file");
    }
    if (o->html && o->output && !is_stdout(o->html) && strcmp(o->html, o->output) == 0) {
        return weft_fail(err, WEFT_E_USAGE, "--html and --output name the same file, %s", o->html);
    }
    return 0;
}

static int compare(const struct options *o, const struct weft_strv *args, FILE *out,
                   struct weft_err **err)
{
    struct weft_nodes nodes = {0};
    struct weft_prices prices = {0};
    struct weft_comparison c = {0};
    weft_auto_strv only = {0};
    int rc = -1;

    if (check_options(o, err) == 0 && read_platforms(o, &only, err) == 0 &&
        read_prices(o, &prices, err) == 0 && read_results(&nodes, args, err) == 0 &&
        weft_nodes_set_prices(&nodes, &prices, err) == 0 &&
        weft_compare(nodes.v, nodes.n, &only, &c, err) == 0) {
        weft_strv_concat(&c.notes, &nodes.notes);
        rc = put_comparison(o, &c, out, err);
    }
    weft_comparison_finish(&c);
    weft_prices_finish(&prices);
    weft_nodes_finish(&nodes);
    return rc;
}

int weft_bench_compare(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv args = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &args, err);

    if (rc == 0 && o.help) {
        print_help(out);
    } else if (rc == 0) {
        rc = compare(&o, &args, out, err);
    }
    options_finish(&o);
    return rc;
}
