/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/html.h"
#include "tests/helpers.h"

/* Markup, quotes of both kinds, entities that are text already, and what no page may hold. */
static void test_text(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"node-7", "node-7"},
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\" onload=\"x", "&quot; onload=&quot;x"},
        {"' onload='x", "&#39; onload=&#39;x"},
        {"a & b &lt;", "a &amp; b &amp;lt;"},
        {"]]>", "]]&gt;"},
        {"größer \xe2\x89\xa4", "größer \xe2\x89\xa4"},
        {"line\nline\tcolumn", "line\\x0aline column"},
        {"\x1b[31m\x7f", "\\x1b[31m\\x7f"},
        {"\xff<", "\\xff&lt;"},
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* U+202E turns around what follows */
        {"\xef\xbf", "\\xef\\xbf"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_buf b = {0};

        weft_buf_puts(&b, "<p>");
        weft_html_text(&b, cases[i].text);
        assert_int_equal(strncmp(b.data, "<p>", 3), 0);
        assert_string_equal(b.data + 3, cases[i].want);
    }
}

/* The text is escaped, not only the format; the tag is not. */
static void test_element(void **state)
{
    weft_auto_buf b = {0};

    (void)state;
    weft_html_textf(&b, "%s <%d>", "<i>", 7);
    weft_html_element(&b, "b", "%s", "</b>");
    weft_html_element(&b, "td class=\"n\" id=\"x\"", "%.2f", 1.5);
    assert_string_equal(b.data, "&lt;i&gt; &lt;7&gt;<b>&lt;/b&gt;</b>"
                                "<td class=\"n\" id=\"x\">1.50</td>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_element),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
