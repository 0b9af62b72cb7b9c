#include "rest/resources.h"

static bool
read_leave_running(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &((ActionInput *)into)->leave_running, error);
}

static bool
read_fence_type(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"manual", NULL};
    return element_word(element, words, &((ActionInput *)into)->fence_type, error);
}

static bool
read_host(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((ActionInput *)into)->host, error);
}

static bool
read_placement_policy(const Element *element, void *into, GError **error)
{
    static const Member policy_members[] = {{.name = "host", .read = read_host}, {.name = "affinity"}, {.name = NULL}};
    return element_read(element, policy_members, into, error);
}

/* oVirt's start takes a VM that says for this once how to run; of that, where. */
static bool
read_vm(const Element *element, void *into, GError **error)
{
    static const Member vm_members[] = {{.name = "placement_policy", .read = read_placement_policy}, {.name = NULL}};
    return element_read(element, vm_members, into, error);
}

static const Member members[] = {
    {.name = "leave_running", .read = read_leave_running},
    {.name = "fence_type", .read = read_fence_type},
    {.name = "host", .read = read_host},
    {.name = "vm", .read = read_vm},
    /* oVirt 3.6 */
    {.name = "link"},
    {.name = "status"},
    {.name = "async"},
    {.name = "grace_period"},
    {.name = "correlation_id"},
    {.name = "force"},
    {.name = "reason"},
    {.name = "cluster"},
    {.name = "pause"},
    {.name = "filter"},
    {.name = NULL},
};

void
action_input_clear(ActionInput *input)
{
    g_free(input->fence_type);
    reference_clear(&input->host);
}

bool
action_from_xml(const Element *root, ActionInput *input, GError **error)
{
    return element_read(root, members, input, error);
}
