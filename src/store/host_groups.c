/* What an opener of the watch tells the database about its host, sent together with what the other openers tell. */
#include "store/group.h"
#include "store/hosts.h"
#include "store/rows.h"
#include "trust/fault.h"

typedef struct {
    const char *host;
    const char *libvirt_uuid;
    const char *machine;
    char memory_mib[24];
    char cpus[16];
    char generation[24];
    GError *error;
    HostConnected *connected; /* of connected_send; NULL: the error says why */
    bool is_listed;           /* of listed_send */
} Item;

typedef bool (*SetSend)(Store *store, GPtrArray *items, GError **error);

void
host_connected_free(HostConnected *connected)
{
    if (connected == NULL)
        return;
    g_free(connected->status);
    g_free(connected->detail);
    g_free(connected);
}

/* Sends the set; one that the database refuses because of one of its hosts is sent again, host by host. */
static void
set_send(Store *store, GPtrArray *items, SetSend send)
{
    g_autoptr(GError) error = NULL;
    if (send(store, items, &error))
        return;
    bool is_away = g_error_matches(error, FAULT, FAULT_UNAVAILABLE) || g_error_matches(error, FAULT, FAULT_DEADLINE);
    for (guint i = 0; i < items->len; i++) {
        Item *item = g_ptr_array_index(items, i);
        g_autoptr(GPtrArray) one = g_ptr_array_new();
        g_ptr_array_add(one, item);
        if (is_away || items->len == 1)
            item->error = g_error_copy(error);
        else
            send(store, one, &item->error);
    }
}

/* A host that is there twice (one opener is late, and another has begun) has two connections, and so two sendings. */
static void
items_send(Store *store, void *const items[], size_t n, SetSend send)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) set = g_ptr_array_new();
    for (size_t i = 0; i < n; i++)
        if (g_hash_table_add(seen, (gpointer)((Item *)items[i])->host))
            g_ptr_array_add(set, items[i]);
    set_send(store, set, send);
    for (size_t i = 0, place = 0; i < n; i++) {
        if (place < set->len && g_ptr_array_index(set, place) == items[i]) {
            place++;
            continue;
        }
        g_autoptr(GPtrArray) one = g_ptr_array_new();
        g_ptr_array_add(one, items[i]);
        set_send(store, one, send);
    }
}

/* One member of all items, as an array of SQL; the member is a text within the item, or (offset of) a pointer to one.
 */
static char *
texts_of(GPtrArray *items, size_t offset, bool is_pointer)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    for (guint i = 0; i < items->len; i++) {
        char *member = (char *)g_ptr_array_index(items, i) + offset;
        g_ptr_array_add(texts, is_pointer ? *(char **)(void *)member : member);
    }
    return store_array((const char *const *)texts->pdata, texts->len);
}

static Item *
item_find(GPtrArray *items, const char *host)
{
    for (guint i = 0; i < items->len; i++)
        if (g_str_equal(((Item *)g_ptr_array_index(items, i))->host, host))
            return g_ptr_array_index(items, i);
    return NULL;
}

/* --- connected --- */

/* Repeated, it would only draw one more generation; but the watch connects anew anyway when it fails. */
static bool
connected_send(Store *store, GPtrArray *items, GError **error)
{
    g_autofree char *hosts = texts_of(items, offsetof(Item, host), true);
    g_autofree char *uuids = texts_of(items, offsetof(Item, libvirt_uuid), true);
    g_autofree char *memory = texts_of(items, offsetof(Item, memory_mib), false);
    g_autofree char *cpus = texts_of(items, offsetof(Item, cpus), false);
    g_autofree char *machines = texts_of(items, offsetof(Item, machine), true);
    const char *params[] = {hosts, uuids, memory, cpus, machines};
    g_autoptr(StoreResult) result =
        store_call(store, error, "select * from hosts_connected($1, $2, $3, $4, $5)", 5, params);
    if (result == NULL)
        return false;
    for (unsigned i = 0; i < store_rows(result); i++) {
        Item *item = item_find(items, store_text(result, i, "host"));
        if (item == NULL)
            continue;
        item->connected = g_new0(HostConnected, 1);
        item->connected->generation = store_int(result, i, "generation");
        item->connected->identity_refused = g_strcmp0(store_text(result, i, "outcome"), "connected") != 0;
        item->connected->status = row_text(result, i, "status");
        item->connected->detail = row_text(result, i, "detail");
    }
    return true;
}

static void
all_connected_send(void *store, void *const items[], size_t n)
{
    items_send(store, items, n, connected_send);
}

HostConnected *
host_connected(Store *store, const char *id, const char *libvirt_uuid, int64_t memory_mib, int cpus,
               const char *machine, GError **error)
{
    Item item = {.host = id, .libvirt_uuid = libvirt_uuid, .machine = machine};
    g_snprintf(item.memory_mib, sizeof item.memory_mib, "%" G_GINT64_FORMAT, memory_mib);
    g_snprintf(item.cpus, sizeof item.cpus, "%d", cpus);
    store_group_call(store_group(store, STORE_GROUP_CONNECTED, all_connected_send), &item);
    if (item.connected == NULL && item.error == NULL)
        g_set_error(&item.error, FAULT, FAULT_FAILED, "the database does not say what became of host %s", id);
    if (item.error != NULL)
        g_propagate_error(error, item.error);
    return item.connected;
}

/* --- listed, without domains --- */

static bool
listed_send(Store *store, GPtrArray *items, GError **error)
{
    g_autofree char *hosts = texts_of(items, offsetof(Item, host), true);
    g_autofree char *generations = texts_of(items, offsetof(Item, generation), false);
    const char *params[] = {hosts, generations};
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select hosts_listed_empty($1, $2) as id", 2, params);
    if (result == NULL)
        return false;
    for (unsigned i = 0; i < store_rows(result); i++) {
        Item *item = item_find(items, store_text(result, i, "id"));
        if (item != NULL)
            item->is_listed = true;
    }
    return true;
}

static void
all_listed_send(void *store, void *const items[], size_t n)
{
    items_send(store, items, n, listed_send);
}

bool
host_listed_empty(Store *store, const char *id, int64_t generation, bool *is_listed, GError **error)
{
    Item item = {.host = id};
    g_snprintf(item.generation, sizeof item.generation, "%" G_GINT64_FORMAT, generation);
    store_group_call(store_group(store, STORE_GROUP_LISTED, all_listed_send), &item);
    *is_listed = item.is_listed;
    if (item.error != NULL)
        g_propagate_error(error, item.error);
    return item.error == NULL;
}
