/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/http_script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tests/helpers.h"

enum {
    STEPS_LIMIT = 64,
    CONNECTIONS_LIMIT = 64,
    POLL_MS = 20
};

struct step {
    char *wanted;
    char *answer; /* NULL: the connection ends */
    size_t body_bytes;
    bool ends;
};

struct request {
    char *head;
    char *body;
};

struct connection {
    struct http_script *script;
    int fd;
    pthread_t thread;
};

struct http_script {
    int fd;
    char host[32];
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    struct step steps[STEPS_LIMIT];
    size_t n_steps, at;
    struct request requests[STEPS_LIMIT];
    char *surprise; /* the first request that was not in the script */
    struct connection connections[CONNECTIONS_LIMIT];
    size_t n_connections;
};

/* Read more; false at the end of the connection, or of the test. */
static bool read_more(const struct connection *c, struct weft_buf *b)
{
    struct pollfd fd = {c->fd, POLLIN, 0};
    char chunk[4096];
    ssize_t n;

    while (poll(&fd, 1, POLL_MS) <= 0) {
        if (atomic_load(&c->script->stop)) {
            return false;
        }
    }
    n = read(c->fd, chunk, sizeof(chunk));
    if (n <= 0) {
        return false;
    }
    weft_buf_append(b, chunk, (size_t)n);
    return true;
}

static void write_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");

    return at ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* The step for a request; NULL: it was not expected. */
static const struct step *next_step(struct http_script *s, const char *head, size_t *index)
{
    const struct step *step = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->at < s->n_steps && weft_starts_with(head, s->steps[s->at].wanted)) {
        *index = s->at;
        step = &s->steps[s->at++];
        s->requests[*index].head = weft_xstrdup(head);
    } else if (!s->surprise) {
        s->surprise = weft_xstrndup(head, strcspn(head, "\r\n"));
    }
    pthread_mutex_unlock(&s->lock);
    return step;
}

/* One request. Returns false where the connection ends. */
static bool serve(const struct connection *c, struct weft_buf *in)
{
    static const char lost[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct step *step;
    char *end;
    weft_auto_free char *head = NULL;
    size_t head_len, body_len, wanted, index = 0;

    while (!in->data || !(end = strstr(in->data, "\r\n\r\n"))) {
        if (!read_more(c, in)) {
            return false;
        }
    }
    head_len = (size_t)(end + 4 - in->data);
    head = weft_xstrndup(in->data, head_len);
    weft_buf_consume(in, head_len);
    step = next_step(c->script, head, &index);
    body_len = content_length(head);
    wanted = step && !step->answer && step->body_bytes < body_len ? step->body_bytes : body_len;
    if (strcasestr(head, "\r\nExpect: 100-continue")) {
        write_text(c->fd, go_on, sizeof(go_on) - 1);
    }
    while (in->len < wanted) {
        if (!read_more(c, in)) {
            return false;
        }
    }
    if (!step) {
        weft_buf_consume(in, body_len);
        write_text(c->fd, lost, sizeof(lost) - 1);
        return true;
    }
    pthread_mutex_lock(&c->script->lock);
    c->script->requests[index].body = weft_xstrndup(in->data ? in->data : "", wanted);
    pthread_mutex_unlock(&c->script->lock);
    weft_buf_consume(in, wanted);
    if (step->answer) {
        write_text(c->fd, step->answer, strlen(step->answer));
    }
    return !step->ends;
}

static void *serve_connection(void *data)
{
    struct connection *c = data;
    weft_auto_buf in = {0};

    while (serve(c, &in)) {
    }
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    return NULL;
}

static void *accept_all(void *data)
{
    struct http_script *s = data;

    while (!atomic_load(&s->stop)) {
        struct pollfd fd = {s->fd, POLLIN, 0};
        struct connection *c;
        int conn;

        if (poll(&fd, 1, POLL_MS) <= 0 || (conn = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) < 0) {
            continue;
        }
        pthread_mutex_lock(&s->lock);
        assert_true(s->n_connections < CONNECTIONS_LIMIT);
        c = &s->connections[s->n_connections++];
        pthread_mutex_unlock(&s->lock);
        *c = (struct connection){.script = s, .fd = conn};
        pthread_create(&c->thread, NULL, serve_connection, c);
    }
    return NULL;
}

struct http_script *http_script_start(void)
{
    struct http_script *s = weft_xcalloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    snprintf(s->host, sizeof(s->host), "127.0.0.1:%d", ntohs(at.sin_port));
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
    return s;
}

const char *http_script_host(const struct http_script *s)
{
    return s->host;
}

static void add_step(struct http_script *s, const char *wanted, const struct step *step)
{
    pthread_mutex_lock(&s->lock);
    assert_true(s->n_steps < STEPS_LIMIT);
    s->steps[s->n_steps] = *step;
    s->steps[s->n_steps++].wanted = weft_xstrdup(wanted);
    pthread_mutex_unlock(&s->lock);
}

void http_script_add(struct http_script *s, const char *wanted, const char *status,
                     const char *headers, const char *body)
{
    bool is_head = weft_starts_with(wanted, "HEAD ");

    add_step(
        s, wanted,
        &(struct step){.answer = weft_fmt("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                                          headers, strlen(body), is_head ? "" : body)});
}

void http_script_add_drop(struct http_script *s, const char *wanted, size_t body_bytes)
{
    add_step(s, wanted, &(struct step){.body_bytes = body_bytes, .ends = true});
}

void http_script_add_cut(struct http_script *s, const char *wanted, const char *body,
                         size_t said_bytes)
{
    add_step(s, wanted,
             &(struct step){.answer = weft_fmt("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                                               said_bytes, body),
                            .ends = true});
}

static const char *part(struct http_script *s, size_t i, bool is_body)
{
    const char *text;

    pthread_mutex_lock(&s->lock);
    text = i < s->at ? (is_body ? s->requests[i].body : s->requests[i].head) : NULL;
    pthread_mutex_unlock(&s->lock);
    return text ? text : "";
}

const char *http_script_head(struct http_script *s, size_t i)
{
    return part(s, i, false);
}

const char *http_script_body(struct http_script *s, size_t i)
{
    return part(s, i, true);
}

int http_script_has(struct http_script *s, size_t i, const char *text)
{
    return strstr(http_script_head(s, i), text) != NULL;
}

void http_script_stop(struct http_script *s)
{
    size_t missing = s->n_steps - s->at;
    const char *first = missing > 0 ? s->steps[s->at].wanted : "";
    weft_auto_free char *complaint = NULL;

    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n_connections; i++) {
        pthread_join(s->connections[i].thread, NULL);
    }
    close(s->fd);
    if (s->surprise || missing > 0) {
        complaint = weft_fmt("unexpected: %s; %zu that did not come, the first: %s",
                             s->surprise ? s->surprise : "nothing", missing, first);
    }
    for (size_t i = 0; i < s->n_steps; i++) {
        free(s->steps[i].wanted);
        free(s->steps[i].answer);
        free(s->requests[i].head);
        free(s->requests[i].body);
    }
    free(s->surprise);
    pthread_mutex_destroy(&s->lock);
    free(s);
    if (complaint) {
        fail_msg("%s", complaint);
    }
}
