/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compiler does: words are looked up in a table of symbols, a tree is built in memory of
 * many small pieces, simplified, and written out as code. The code is then run, and has to come to
 * what the tree comes to.
 *
 * The language: functions of assignments and if/else, of unsigned 32-bit integers.
 */
#include "bench/kernels/kernels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCES = 8,
    FUNCTIONS = 24, /* of a source */
    SOURCE_MAX = 65536,
    CODE_MAX = 65536,
    NAMES = 32,
    BUCKETS = 64,
    STACK = 64,
};

/* --- a source, made up --- */

struct writer {
    char *text;
    size_t length;
    uint32_t seed;
};

static void put(struct writer *w, const char *s)
{
    size_t length = strlen(s);

    kernel_need(w->length + length < SOURCE_MAX);
    memcpy(w->text + w->length, s, length);
    w->length += length;
}

static void put_name(struct writer *w, uint32_t number)
{
    static const char *const syllables[] = {"count", "node", "size", "left", "next", "buf", "sum"};
    char digit[2] = {(char)('0' + number / 7 % 10), '\0'};

    put(w, syllables[number % 7]);
    put(w, "_");
    put(w, digit);
}

static void put_number(struct writer *w, uint32_t number)
{
    char digits[12];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(w, digits + at);
}

static void put_expression(struct writer *w, int depth)
{
    static const char *const operators[] = {" + ", " - ", " * ", " & ",
                                            " | ", " ^ ", " < ", " == "};
    uint32_t kind = kernel_random(&w->seed) >> 8;

    if (depth == 0 || kind % 5 == 0) {
        if (kind % 3 == 0) {
            put_number(w, kind % 1000);
        } else {
            put_name(w, kind % NAMES);
        }
        return;
    }
    put(w, "(");
    put_expression(w, depth - 1);
    put(w, operators[kind / 8 % 8]);
    put_expression(w, depth - 1);
    put(w, ")");
}

static void put_statements(struct writer *w, int count, int depth)
{
    for (int i = 0; i < count; i++) {
        uint32_t kind = kernel_random(&w->seed) >> 8;

        if (depth > 0 && kind % 4 == 0) {
            put(w, "    if ");
            put_expression(w, 2);
            put(w, " {\n");
            put_statements(w, 2, depth - 1);
            put(w, "    } else {\n");
            put_statements(w, 1, depth - 1);
            put(w, "    }\n");
        } else {
            put(w, "    ");
            put_name(w, kind % NAMES);
            put(w, " = ");
            put_expression(w, 3);
            put(w, ";\n");
        }
    }
}

static char *make_source(uint32_t number)
{
    struct writer w = {kernel_alloc(SOURCE_MAX), 0, number * 2654435761u + 1};

    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        put(&w, "fn f_");
        put_number(&w, i);
        put(&w, " {\n");
        put_statements(&w, 6, 2);
        put(&w, "}\n");
    }
    return w.text;
}

/* --- words --- */

enum kind {
    END,
    NUMBER,
    NAME,
    FN,
    IF,
    ELSE,
    PUNCTUATION,
    FUNCTION_NAME
};

struct symbol {
    struct symbol *next;
    enum kind kind; /* NAME, FUNCTION_NAME or a word of the language */
    uint32_t hash, length, slot;
    char text[16];
};

struct node {
    struct node *a, *b, *c; /* c: after else */
    struct node *next;      /* statement */
    uint32_t op;            /* n: number, v: variable, ?: if, =: assignment, or an operator */
    uint32_t value;
};

struct compiler {
    const char *at;
    enum kind kind;
    uint32_t value; /* of a number; or the character, '=' twice being 'e' */
    struct symbol *symbol;
    struct symbol *buckets[BUCKETS];
    uint32_t slots, nodes;
    uint8_t code[CODE_MAX];
    uint32_t size;
};

static struct symbol *intern(struct compiler *c, const char *text, size_t length, enum kind kind)
{
    uint32_t hash = kernel_hash(text, length);
    struct symbol *s = c->buckets[hash % BUCKETS];

    for (; s != NULL; s = s->next) {
        if (s->hash == hash && s->length == length && memcmp(s->text, text, length) == 0) {
            return s;
        }
    }
    kernel_need(length < sizeof(s->text));
    s = kernel_alloc(sizeof(*s));
    s->kind = kind;
    s->hash = hash;
    s->length = (uint32_t)length;
    memcpy(s->text, text, length);
    if (kind == NAME) {
        s->slot = c->slots++;
        kernel_need(c->slots <= NAMES + FUNCTIONS);
    }
    s->next = c->buckets[hash % BUCKETS];
    c->buckets[hash % BUCKETS] = s;
    return s;
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || ch == '_';
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static void advance(struct compiler *c)
{
    const char *p = c->at;

    while (*p == ' ' || *p == '\n') {
        p++;
    }
    const char *begin = p;

    if (*p == '\0') {
        c->kind = END;
    } else if (is_letter(*p)) {
        while (is_letter(*p) || is_digit(*p)) {
            p++;
        }
        c->symbol = intern(c, begin, (size_t)(p - begin), NAME);
        c->kind = c->symbol->kind;
        c->value = c->symbol->slot;
    } else if (is_digit(*p)) {
        c->kind = NUMBER;
        for (c->value = 0; is_digit(*p); p++) {
            c->value = c->value * 10 + (uint32_t)(*p - '0');
        }
    } else {
        c->kind = PUNCTUATION;
        c->value = (uint8_t)*p++;
        if (c->value == '=' && *p == '=') {
            c->value = 'e';
            p++;
        }
    }
    c->at = p;
}

static void expect(struct compiler *c, char ch)
{
    if (c->kind != PUNCTUATION || c->value != (uint8_t)ch) {
        kernel_fail("'%c' is missing before: %.20s", ch, c->at);
    }
    advance(c);
}

/* --- the tree --- */

static struct node *make_node(struct compiler *c, uint32_t op, struct node *a, struct node *b,
                              uint32_t value)
{
    struct node *node = malloc(sizeof(*node));

    kernel_need(node != NULL);
    *node = (struct node){a, b, NULL, NULL, op, value};
    c->nodes++;
    return node;
}

static void free_node(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;

        free_node(node->a);
        free_node(node->b);
        free_node(node->c);
        free(node);
        node = next;
    }
}

static uint32_t calculate(uint32_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    case '&':
        return a & b;
    case '|':
        return a | b;
    case '^':
        return a ^ b;
    case '<':
        return a < b;
    case 'e':
        return a == b;
    default:
        kernel_fail("there is no operator '%c'", (int)op);
    }
}

/* Numbers are calculated at once, and x * 0, x & 0, x + 0 and x | 0 are as short as can be. */
static struct node *simplify(struct node *node)
{
    struct node *a = node->a, *b = node->b;

    if (a->op == 'n' && b->op == 'n') {
        node->value = calculate(node->op, a->value, b->value);
        node->op = 'n';
        node->a = node->b = NULL;
        free_node(a);
        free_node(b);
    } else if (b->op == 'n' && b->value == 0) {
        struct node *kept = node->op == '*' || node->op == '&' ? b : a;

        if (strchr("*&+|-^", (int)node->op) != NULL) {
            if (kept == a) {
                node->a = NULL;
            } else {
                node->b = NULL;
            }
            free_node(node);
            return kept;
        }
    }
    return node;
}

static struct node *parse_expression(struct compiler *c)
{
    struct node *node;

    if (c->kind == NUMBER || c->kind == NAME) {
        node = make_node(c, c->kind == NUMBER ? 'n' : 'v', NULL, NULL, c->value);
        advance(c);
        return node;
    }
    expect(c, '(');
    node = parse_expression(c);
    uint32_t op = c->value;

    advance(c);
    node = make_node(c, op, node, parse_expression(c), 0);
    expect(c, ')');
    return simplify(node);
}

static struct node *parse_block(struct compiler *c)
{
    struct node *first = NULL, **last = &first;

    expect(c, '{');
    while (c->kind == IF || c->kind == NAME) {
        bool branch = c->kind == IF;
        uint32_t slot = c->value;

        advance(c);
        if (branch) {
            struct node *condition = parse_expression(c);

            *last = make_node(c, '?', condition, parse_block(c), 0);
            kernel_need(c->kind == ELSE);
            advance(c);
            (*last)->c = parse_block(c);
        } else {
            expect(c, '=');
            *last = make_node(c, '=', parse_expression(c), NULL, slot);
            expect(c, ';');
        }
        last = &(*last)->next;
    }
    expect(c, '}');
    return first;
}

/* --- code for a machine with a stack --- */

static void emit(struct compiler *c, uint8_t byte)
{
    kernel_need(c->size < CODE_MAX);
    c->code[c->size++] = byte;
}

static void emit_number(struct compiler *c, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        emit(c, (uint8_t)(value >> (8 * i)));
    }
}

static uint32_t number_at(const uint8_t *code)
{
    return (uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 |
           (uint32_t)code[3] << 24;
}

static void set_number(uint8_t *code, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        code[i] = (uint8_t)(value >> (8 * i));
    }
}

static void emit_expression(struct compiler *c, const struct node *node)
{
    if (node->op == 'n' || node->op == 'v') {
        emit(c, (uint8_t)node->op);
        emit_number(c, node->value);
        return;
    }
    emit_expression(c, node->a);
    emit_expression(c, node->b);
    emit(c, (uint8_t)node->op);
}

static void emit_block(struct compiler *c, const struct node *node)
{
    for (; node != NULL; node = node->next) {
        emit_expression(c, node->a);
        if (node->op == '=') {
            emit(c, '=');
            emit_number(c, node->value);
            continue;
        }
        uint32_t to_else, to_end;

        emit(c, '?'); /* jumps if it is 0 */
        to_else = c->size;
        emit_number(c, 0);
        emit_block(c, node->b);
        emit(c, 'j');
        to_end = c->size;
        emit_number(c, 0);
        set_number(c->code + to_else, c->size);
        emit_block(c, node->c);
        set_number(c->code + to_end, c->size);
    }
}

/* --- both are run --- */

static void run_code(const uint8_t *code, uint32_t *variables)
{
    uint32_t stack[STACK] = {0}, at = 0, top = 0;

    for (;;) {
        uint8_t op = code[at++];

        kernel_need(top < STACK);
        switch (op) {
        case '.':
            return;
        case 'n':
            stack[top++] = number_at(code + at);
            at += 4;
            break;
        case 'v':
            stack[top++] = variables[number_at(code + at)];
            at += 4;
            break;
        case '=':
            kernel_need(top >= 1);
            variables[number_at(code + at)] = stack[--top];
            at += 4;
            break;
        case '?':
            kernel_need(top >= 1);
            at = stack[--top] == 0 ? number_at(code + at) : at + 4;
            break;
        case 'j':
            at = number_at(code + at);
            break;
        default:
            kernel_need(top >= 2);
            top--;
            stack[top - 1] = calculate(op, stack[top - 1], stack[top]);
        }
    }
}

static uint32_t value_of(const struct node *node, const uint32_t *variables)
{
    switch (node->op) {
    case 'n':
        return node->value;
    case 'v':
        return variables[node->value];
    default:
        return calculate(node->op, value_of(node->a, variables), value_of(node->b, variables));
    }
}

static void run_tree(const struct node *node, uint32_t *variables)
{
    for (; node != NULL; node = node->next) {
        uint32_t value = value_of(node->a, variables);

        if (node->op == '=') {
            variables[node->value] = value;
        } else {
            run_tree(value != 0 ? node->b : node->c, variables);
        }
    }
}

/* --- all of it --- */

static void compile_function(struct compiler *c, struct kernel_run *run, uint32_t seed)
{
    uint32_t by_code[NAMES + FUNCTIONS], by_tree[NAMES + FUNCTIONS];
    struct node *body;

    kernel_need(c->kind == FN);
    advance(c);
    c->symbol->kind = FUNCTION_NAME;
    advance(c);
    body = parse_block(c);
    c->size = 0;
    emit_block(c, body);
    emit(c, '.');
    for (uint32_t i = 0; i < NAMES + FUNCTIONS; i++) {
        by_code[i] = by_tree[i] = i * 97 + seed;
    }
    run_code(c->code, by_code);
    run_tree(body, by_tree);
    if (memcmp(by_code, by_tree, sizeof(by_code)) != 0) {
        kernel_fail("the code of a function does not do what its tree says");
    }
    kernel_mix(run, (uint64_t)kernel_hash((const char *)c->code, c->size) << 32 | by_code[0]);
    for (uint32_t i = 1; i < NAMES; i++) {
        kernel_mix(run, by_code[i]);
    }
    free_node(body);
}

static KERNEL_OPAQUE void compile(struct compiler *c, const char *source, struct kernel_run *run,
                                  uint32_t seed)
{
    memset(c->buckets, 0, sizeof(c->buckets));
    c->slots = c->nodes = 0;
    intern(c, "fn", 2, FN);
    intern(c, "if", 2, IF);
    intern(c, "else", 4, ELSE);
    c->at = source;
    advance(c);
    while (c->kind != END) {
        compile_function(c, run, seed);
    }
    kernel_mix(run, (uint64_t)c->slots << 32 | c->nodes);
    for (int i = 0; i < BUCKETS; i++) {
        struct symbol *next;

        for (struct symbol *s = c->buckets[i]; s != NULL; s = next) {
            next = s->next;
            free(s);
        }
    }
}

static void run_compiler(struct kernel_run *run)
{
    struct compiler *c = kernel_alloc(sizeof(*c));
    char *sources[SOURCES];

    for (uint32_t i = 0; i < SOURCES; i++) {
        sources[i] = make_source(i);
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        compile(c, sources[n % SOURCES], run, (uint32_t)n);
    }
    kernel_end(run);
    for (int i = 0; i < SOURCES; i++) {
        free(sources[i]);
    }
    free(c);
}

const struct kernel kernel_compiler = {"compiler", 200, "text to words, to a tree, to code",
                                       run_compiler};
