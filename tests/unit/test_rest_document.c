#include "rest/document.h"
#include "rest/xml_writer.h"
#include "trust/fault.h"

#include <check.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name;
    bool flag;
    int64_t number;
    Reference other;
} Thing;

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &((Thing *)into)->name, error);
}

static bool
read_flag(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &((Thing *)into)->flag, error);
}

static bool
read_number(const Element *element, void *into, GError **error)
{
    return element_number(element, 1, 100, &((Thing *)into)->number, error);
}

static bool
read_other(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((Thing *)into)->other, error);
}

static const Member members[] = {
    {.name = "name", .read = read_name},
    {.name = "flag", .read = read_flag},
    {.name = "number", .read = read_number},
    {.name = "other", .read = read_other},
    {.name = "ignored"},
    {.name = NULL},
};

/* Reads it; NULL when it went well, else the error's text (g_free). */
static char *
read_thing(const char *bytes, size_t size, Thing *thing)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Document) document = document_parse(bytes, size, "thing", &error);
    if (document != NULL && element_read(document_root(document), members, thing, &error))
        return NULL;
    ck_assert_ptr_nonnull(error);
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    return g_strdup(error->message);
}

static void
thing_clear(Thing *thing)
{
    g_free(thing->name);
    reference_clear(&thing->other);
    memset(thing, 0, sizeof *thing);
}

static void
assert_refused(const char *bytes, const char *text)
{
    Thing thing = {0};
    g_autofree char *why = read_thing(bytes, strlen(bytes), &thing);
    ck_assert_msg(why != NULL, "accepted: %s", bytes);
    ck_assert_msg(g_utf8_validate(why, -1, NULL), "no UTF-8: %s", why);
    ck_assert_msg(strstr(why, text) != NULL, "\"%s\" does not say \"%s\"", why, text);
    thing_clear(&thing);
}

START_TEST(members_are_taken_in_any_order)
{
    static const char *const documents[] = {
        "<thing><name> a </name><flag>true</flag><number>7</number></thing>",
        "<?xml version=\"1.0\"?>\n<thing>\n <number>7</number><!-- so --><flag>1</flag>\n<ignored><x><y/></x></ignored>"
        "<name>a</name></thing>\n",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
        Thing thing = {0};
        ck_assert_ptr_null(read_thing(documents[i], strlen(documents[i]), &thing));
        ck_assert_str_eq(thing.name, "a");
        ck_assert(thing.flag);
        ck_assert_int_eq(thing.number, 7);
        thing_clear(&thing);
    }
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_line)
{
    assert_refused("<thing>\n<nonsense/></thing>", "element <nonsense> in line 2: it is not known in <thing>");
    assert_refused("<thing>\n\n<flag>yes</flag></thing>",
                   "element <flag> in line 3: \"yes\" is neither true nor false");
    assert_refused("<thing><number>101</number></thing>", "element <number> in line 1: \"101\" is no number from 1 to");
    assert_refused("<thing><number>1e1</number></thing>", "<number>");
    assert_refused("<thing><number/></thing>", "<number>");
    assert_refused("<thing><name>a</name><name>b</name></thing>", "element <name> in line 1: it is given twice");
    assert_refused("<thing><name/></thing>", "element <name> in line 1: it is empty");
    assert_refused("<thing><name>a&#10;b</name></thing>", "control character");
    assert_refused("<thing><name><b/></name></thing>", "element <name> in line 1: only text may stand in it");
    assert_refused("<thing>text</thing>", "element <thing> in line 1: only elements may stand in it");
    assert_refused("<thing><name color=\"red\">a</name></thing>", "attribute color is not known here");
    assert_refused("<thing xmlns:x=\"urn:x\"><x:name>a</x:name></thing>", "<name>");
    assert_refused("<thing><other/></thing>",
                   "element <other> in line 1: it needs an attribute id or an element <name>");
    assert_refused("<thing><other id=\"7\"/></thing>", "is no UUID");
    assert_refused("<thong/>", "element <thong> in line 1: element <thing> is needed here");
    assert_refused("<thing>\n<name>a</thing>", "line 2:");
    assert_refused("<thing", "line 1:");
    assert_refused("not xml", "line 1:");
    assert_refused("", "no document");
    assert_refused("<thing/><thing/>", "line 1:");
}
END_TEST

START_TEST(doctypes_and_entities_are_refused)
{
    assert_refused("<!DOCTYPE thing><thing/>", "DOCTYPE");
    assert_refused("<!DOCTYPE thing SYSTEM \"file:///etc/passwd\"><thing/>", "DOCTYPE");
    assert_refused("<!DOCTYPE thing [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><thing><name>&x;</name></thing>",
                   "DOCTYPE");
    assert_refused("<!DOCTYPE thing [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
                   "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><thing><name>&c;</name></thing>",
                   "DOCTYPE");
    assert_refused("<thing><name>&x;</name></thing>", "line 1:");
}
END_TEST

START_TEST(a_document_that_is_too_large_or_too_deep_is_refused)
{
    Thing thing = {0};
    g_autoptr(GString) large = g_string_new("<thing><ignored>");
    while (large->len <= DOCUMENT_MAX)
        g_string_append(large, "aaaaaaaaaaaaaaaa");
    g_string_append(large, "</ignored></thing>");
    g_autofree char *why = read_thing(large->str, large->len, &thing);
    ck_assert_ptr_nonnull(strstr(why, "larger than 65536 bytes"));

    g_autoptr(GString) deep = g_string_new("<thing>");
    for (int i = 0; i < 2000; i++)
        g_string_append(deep, "<ignored>");
    g_autofree char *why_deep = read_thing(deep->str, deep->len, &thing);
    ck_assert_ptr_nonnull(why_deep);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_refused)
{
    assert_refused("<thing><name>a\xff\xfe</name></thing>", "line 1:");
    assert_refused("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<c\xd6\xd6thing><name>a</nothing>", "no XML document");
}
END_TEST

START_TEST(a_reference_is_by_id_or_by_name_which_may_be_quoted)
{
    const char *bytes = "<thing><other><name>\"Default\"</name><link rel=\"x\"/></other></thing>";
    Thing thing = {0};
    ck_assert_ptr_null(read_thing(bytes, strlen(bytes), &thing));
    g_autofree char *unquoted = reference_unquoted(&thing.other);
    ck_assert_str_eq(thing.other.name, "\"Default\"");
    ck_assert_str_eq(unquoted, "Default");
    thing_clear(&thing);

    bytes = "<thing>\n<other id=\"0d4bd2a5-7f4e-4a0b-9b55-0a6b6a1f3c11\"/></thing>";
    ck_assert_ptr_null(read_thing(bytes, strlen(bytes), &thing));
    ck_assert_str_eq(thing.other.id, "0d4bd2a5-7f4e-4a0b-9b55-0a6b6a1f3c11");
    ck_assert_int_eq(thing.other.line, 2);
    ck_assert(reference_is_given(&thing.other));
    ck_assert_ptr_null(reference_unquoted(&thing.other));
    thing_clear(&thing);
}
END_TEST

START_TEST(what_is_written_is_escaped_and_valid)
{
    size_t size = 0;
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "thing");
    xml_attribute(writer, "id", "<\"&");
    xml_text(writer, "name", "a < b & \x01 \xff]]>");
    xml_text(writer, "none", NULL);
    xml_text_unless_empty(writer, "none", "");
    xml_close(writer);
    g_autofree char *bytes = xml_writer_finish(writer, &size);
    ck_assert_uint_eq(size, strlen(bytes));
    g_autoptr(GError) error = NULL;
    g_autoptr(Document) document = document_parse(bytes, size, "thing", &error);
    ck_assert_msg(document != NULL, "%s", error != NULL ? error->message : "");
    g_autofree char *id = element_attribute(document_root(document), "id");
    Thing thing = {0};
    ck_assert(element_read(document_root(document), members, &thing, &error));
    ck_assert_str_eq(id, "<\"&");
    ck_assert_str_eq(thing.name, "a < b & \xef\xbf\xbd \xef\xbf\xbd]]>");
    thing_clear(&thing);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest_document");
    TCase *tests = tcase_create("document");
    SRunner *runner = srunner_create(suite);
    int failed;

    xmlInitParser();
    tcase_add_test(tests, members_are_taken_in_any_order);
    tcase_add_test(tests, what_is_wrong_is_named_with_its_line);
    tcase_add_test(tests, doctypes_and_entities_are_refused);
    tcase_add_test(tests, a_document_that_is_too_large_or_too_deep_is_refused);
    tcase_add_test(tests, bytes_that_are_no_utf8_are_refused);
    tcase_add_test(tests, a_reference_is_by_id_or_by_name_which_may_be_quoted);
    tcase_add_test(tests, what_is_written_is_escaped_and_valid);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
