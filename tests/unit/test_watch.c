/* The watch with a store of its own making and libvirt's test driver: no database, no host. Waits are for conditions.
 */
#include "manager/watch.h"
#include "store/vms.h"
#include "trust/fault.h"
#include "virt/loop.h"
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_US (60 * G_USEC_PER_SEC)
#define HOSTS_MAX 64
#define VM "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

/* --- the world behind the watch --- */

typedef enum { ANSWERS, FREEZES, REFUSES, WRONG_CERTIFICATE } Manner;

typedef struct {
    char id[16];
    const char *status;
    bool exists;
    Manner manner;
    /* how often the store's function fails before it works */
    unsigned fail_connected, refuse_identity, fail_listed, fail_disconnected, fail_event;
    bool event_while_listing;
    bool hold_connected, hold_event; /* block there until released */
    unsigned held;                   /* calls that hold_connected blocks */
    int64_t generation;
    bool connected;
    unsigned opened, opens_under_way;
    VirtCallbacks callbacks; /* of its latest connection */
    void *closure;
} Peer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static Peer peers[HOSTS_MAX];
static int64_t generations;
static GString *record; /* "HOST:WHAT\n" in order */
static Watch *watch;

static Peer *
peer_of(const char *id)
{
    return &peers[atoi(id + 1)];
}

static void note(const char *host, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
note(const char *host, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_string_append_printf(record, "%s:", host);
    g_string_append_vprintf(record, format, args);
    g_string_append_c(record, '\n');
    va_end(args);
}

static unsigned
count(const char *text)
{
    unsigned n = 0;
    pthread_mutex_lock(&lock);
    for (const char *p = record->str; (p = strstr(p, text)) != NULL; p++)
        n++;
    pthread_mutex_unlock(&lock);
    return n;
}

/* Everything noted of a host, in order. */
static char *
story(const char *host)
{
    g_autofree char *prefix = g_strdup_printf("%s:", host);
    pthread_mutex_lock(&lock);
    g_auto(GStrv) lines = g_strsplit(record->str, "\n", -1);
    pthread_mutex_unlock(&lock);
    GString *out = g_string_new("");
    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, prefix))
            g_string_append_printf(out, "%s%s", out->len > 0 ? ", " : "", *line + strlen(prefix));
    }
    return g_string_free(out, FALSE);
}

static bool
unavailable(GError **error)
{
    g_set_error_literal(error, FAULT, FAULT_UNAVAILABLE, "the database is away");
    return false;
}

static GPtrArray *
fake_hosts(Store *store, GError **error)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)host_free);
    (void)store;
    (void)error;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        if (!peers[i].exists)
            continue;
        Host *row = g_new0(Host, 1);
        row->id = g_strdup(peers[i].id);
        row->name = g_strdup_printf("name-%s", peers[i].id);
        row->address = g_strdup(peers[i].id);
        row->attestation_id = g_strdup("a");
        row->status = g_strdup(peers[i].status);
        row->generation = peers[i].generation;
        row->connected = peers[i].connected;
        g_ptr_array_add(rows, row);
    }
    pthread_mutex_unlock(&lock);
    return rows;
}

static HostConnected *
fake_connected(Store *store, const char *id, const char *uuid, int64_t memory, int cpus, const char *machine,
               GError **error)
{
    Peer *peer = peer_of(id);
    HostConnected *connected = NULL;
    (void)store;
    (void)uuid;
    (void)machine;
    pthread_mutex_lock(&lock);
    peer->held++;
    while (peer->hold_connected)
        pthread_cond_wait(&released, &lock);
    peer->held--;
    if (memory <= 0 || cpus <= 0)
        note(id, "nothing known of it");
    if (peer->fail_connected > 0) {
        peer->fail_connected--;
        unavailable(error);
    } else {
        connected = g_new0(HostConnected, 1);
        connected->identity_refused = peer->refuse_identity > 0;
        peer->refuse_identity -= connected->identity_refused;
        if (!connected->identity_refused) {
            connected->generation = peer->generation = ++generations;
            peer->connected = true;
        }
        note(id, connected->identity_refused ? "refused" : "connected");
    }
    pthread_mutex_unlock(&lock);
    return connected;
}

static bool
fake_disconnected(Store *store, const char *id, int64_t generation, const char *why, GError **error)
{
    Peer *peer = peer_of(id);
    bool ok = true;
    (void)store;
    pthread_mutex_lock(&lock);
    if (peer->fail_disconnected > 0) {
        peer->fail_disconnected--;
        ok = unavailable(error);
    } else {
        note(id, "disconnected %" G_GINT64_FORMAT " (%s)", generation, why);
        if (generation == peer->generation)
            peer->connected = false;
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

static bool
fake_identity(Store *store, const char *id, const char *detail, GError **error)
{
    (void)store;
    (void)error;
    pthread_mutex_lock(&lock);
    note(id, "identity (%s)", detail);
    pthread_mutex_unlock(&lock);
    return true;
}

static bool
fake_listed(Store *store, const char *id, int64_t generation, GPtrArray *domains, GError **error)
{
    Peer *peer = peer_of(id);
    bool ok = true;
    (void)store;
    pthread_mutex_lock(&lock);
    bool event = peer->event_while_listing;
    VirtCallbacks callbacks = peer->callbacks;
    void *closure = peer->closure;
    if (peer->fail_listed > 0) {
        peer->fail_listed--;
        ok = unavailable(error);
    } else {
        note(id, generation == peer->generation && domains->len == 1 ? "listed" : "listed wrongly");
    }
    pthread_mutex_unlock(&lock);
    if (event)
        callbacks.domain(closure, VM, "vm", VIRT_DOMAIN_STARTED);
    return ok;
}

static bool
fake_event(Store *store, const char *id, int64_t generation, const char *vm, const char *what, int64_t age_us,
           GError **error)
{
    Peer *peer = peer_of(id);
    bool ok = true;
    (void)store;
    pthread_mutex_lock(&lock);
    while (peer->hold_event)
        pthread_cond_wait(&released, &lock);
    if (peer->fail_event > 0) {
        peer->fail_event--;
        ok = unavailable(error);
    } else {
        note(id, generation == peer->generation ? "event %s" : "stale event %s", what);
        if (age_us < 0 || age_us > PATIENCE_US)
            note(id, "of an odd age");
        if (!g_str_equal(vm, VM))
            note(id, "of another VM");
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

static bool
fake_alarm(Store *store, const char *text, GError **error)
{
    (void)store;
    (void)text;
    (void)error;
    pthread_mutex_lock(&lock);
    note("alarm", "rung");
    pthread_mutex_unlock(&lock);
    return true;
}

static const WatchStore functions = {.hosts = fake_hosts,
                                     .connected = fake_connected,
                                     .disconnected = fake_disconnected,
                                     .identity = fake_identity,
                                     .listed = fake_listed,
                                     .event = fake_event,
                                     .alarm = fake_alarm};

static VirtConnection *
fake_open(const VirtSettings *settings, const char *address, const VirtCallbacks *callbacks, void *closure,
          void (*release)(void *closure), GError **error)
{
    Peer *peer = peer_of(address);
    pthread_mutex_lock(&lock);
    peer->opened++;
    peer->opens_under_way++;
    while (peer->manner == FREEZES)
        pthread_cond_wait(&released, &lock);
    Manner manner = peer->manner;
    peer->callbacks = *callbacks;
    peer->closure = closure;
    peer->opens_under_way--;
    pthread_mutex_unlock(&lock);
    if (manner == ANSWERS)
        return virt_connection_open(settings, "default", callbacks, closure, release, error);
    g_set_error(error, FAULT, manner == REFUSES ? FAULT_UNAVAILABLE : FAULT_DENIED, "%s",
                manner == REFUSES ? "refused" : "wrong certificate");
    return NULL;
}

static void
on_up(void *closure, const char *host, const char *name, const char *attestation_id)
{
    (void)closure;
    pthread_mutex_lock(&lock);
    note(host, g_str_has_prefix(name, "name-") && g_str_equal(attestation_id, "a") ? "up" : "up wrongly");
    pthread_mutex_unlock(&lock);
}

static void
on_down(void *closure, const char *host, const char *name, const char *attestation_id)
{
    (void)closure;
    pthread_mutex_lock(&lock);
    note(host, g_str_has_prefix(name, "name-") && g_str_equal(attestation_id, "a") ? "down" : "down wrongly");
    pthread_mutex_unlock(&lock);
}

static void
setup(void)
{
    ck_assert(virt_loop_start(NULL));
    record = g_string_new("");
    for (int i = 0; i < HOSTS_MAX; i++) {
        g_snprintf(peers[i].id, sizeof peers[i].id, "h%d", i);
        peers[i].status = "initializing";
    }
}

static void
teardown(void)
{
    watch_free(watch);
    ck_assert(virt_connections_wait(60000));
    virt_loop_stop();
    g_string_free(record, TRUE);
}

/* The deadline is far away, and so is the next try after the first: a test that wants them says so. */
static WatchSettings
patient(void)
{
    return (WatchSettings){.virt = {.transport = "test", .pki_dir = ""},
                           .openers = 2,
                           .open_deadline_s = 600,
                           .retry_min_ms = 1,
                           .retry_max_ms = 20,
                           .open = fake_open};
}

static void
begin(const WatchSettings *settings)
{
    static const WatchListener listener = {.up = on_up, .down = on_down};
    g_autoptr(GError) error = NULL;
    watch = watch_new_with(settings, &functions, NULL, &listener, NULL, &error);
    ck_assert_msg(watch != NULL, "%s", error != NULL ? error->message : "?");
}

static void
release_all(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        peers[i].hold_connected = peers[i].hold_event = false;
        if (peers[i].manner == FREEZES)
            peers[i].manner = REFUSES;
    }
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

static void
lose(const char *id, const char *why)
{
    pthread_mutex_lock(&lock);
    VirtCallbacks callbacks = peer_of(id)->callbacks;
    void *closure = peer_of(id)->closure;
    pthread_mutex_unlock(&lock);
    callbacks.closed(closure, why);
}

static void
send(const char *id, VirtDomainEvent what)
{
    pthread_mutex_lock(&lock);
    VirtCallbacks callbacks = peer_of(id)->callbacks;
    void *closure = peer_of(id)->closure;
    pthread_mutex_unlock(&lock);
    callbacks.domain(closure, VM, "vm", what);
}

static unsigned
opened(const char *id)
{
    pthread_mutex_lock(&lock);
    unsigned n = peer_of(id)->opened;
    pthread_mutex_unlock(&lock);
    return n;
}

static unsigned
held(unsigned i)
{
    pthread_mutex_lock(&lock);
    unsigned n = peers[i].held;
    pthread_mutex_unlock(&lock);
    return n;
}

static unsigned
under_way(void)
{
    unsigned n = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < HOSTS_MAX; i++)
        n += peers[i].opens_under_way;
    pthread_mutex_unlock(&lock);
    return n;
}

/* Has the watch the connection that is on record? */
static bool
is_connected_as_recorded(const char *id)
{
    pthread_mutex_lock(&lock);
    int64_t generation = peer_of(id)->connected ? peer_of(id)->generation : -1;
    pthread_mutex_unlock(&lock);
    g_autoptr(VirtConnection) connection = generation > 0 ? watch_connection(watch, id, generation, NULL) : NULL;
    return connection != NULL;
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        gint64 end_ = g_get_monotonic_time() + PATIENCE_US;                                                            \
        while (!(condition) && g_get_monotonic_time() < end_)                                                          \
            g_usleep(1000);                                                                                            \
        ck_assert_msg(condition, "never: %s; it went:\n%s", #condition, record->str);                                  \
    } while (0)

static void
assert_story(const char *host, const char *expected)
{
    g_autofree char *text = story(host);
    ck_assert_str_eq(text, expected);
}

/* --- what it does --- */

START_TEST(frozen_hosts_in_greater_number_than_openers_do_not_keep_healthy_ones_waiting)
{
    WatchSettings settings = patient();
    settings.open_deadline_ms = 300;
    for (int i = 0; i < 20; i++) {
        peers[i].exists = true;
        peers[i].manner = i < 12 ? FREEZES : ANSWERS;
    }
    settings.retry_min_ms = 100; /* a healthy one that this machine made late is tried again, and so are the frozen */
    settings.retry_max_ms = 200;
    begin(&settings);
    for (int i = 12; i < 20; i++) {
        g_autofree char *up = g_strdup_printf("h%d:up", i);
        WAIT_FOR(count(up) > 0);
    }
    for (int i = 0; i < 12; i++) {
        g_autofree char *late = g_strdup_printf("h%d:disconnected 0 (it did not answer within 0.3 s)", i);
        WAIT_FOR(count(late) > 0);
    }
    release_all();
    WAIT_FOR(under_way() == 0);
}
END_TEST

START_TEST(a_host_that_stays_frozen_takes_a_bounded_number_of_threads)
{
    WatchSettings settings = patient();
    settings.open_deadline_ms = 150;
    peers[0].exists = true;
    peers[0].manner = FREEZES;
    begin(&settings);
    WAIT_FOR(under_way() == 8);
    pthread_mutex_lock(&lock);
    peers[1].exists = true; /* while it is tried twenty times, h0 would be too */
    peers[1].manner = REFUSES;
    pthread_mutex_unlock(&lock);
    watch_refresh(watch);
    WAIT_FOR(opened("h1") >= 20);
    ck_assert_uint_eq(opened("h0"), 8);
    pthread_mutex_lock(&lock);
    peers[0].manner = ANSWERS;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
    WAIT_FOR(count("h0:up") > 0);
}
END_TEST

START_TEST(a_new_connection_is_recorded_then_compared_then_up)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    peers[0].event_while_listing = true;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    assert_story("h0", "connected, listed, event started, up");
    g_autoptr(VirtConnection) connection = watch_connection(watch, "h0", 1, NULL);
    ck_assert_ptr_nonnull(connection);
    send("h0", VIRT_DOMAIN_STOPPED);
    WAIT_FOR(count("h0:event stopped") == 1);
}
END_TEST

START_TEST(a_lost_connection_is_recorded_with_its_generation_and_opened_again)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    lose("h0", "no answer");
    WAIT_FOR(count("h0:up") == 2);
    assert_story("h0", "connected, listed, up, disconnected 1 (no answer), down, connected, listed, up");

    g_autoptr(GError) error = NULL;
    ck_assert_ptr_null(watch_connection(watch, "h0", 1, &error)); /* rule NEWEST */
    ck_assert(g_error_matches(error, FAULT, FAULT_UNAVAILABLE));
    g_clear_error(&error);
    g_autoptr(VirtConnection) second = watch_connection(watch, "h0", 2, NULL);
    g_autoptr(VirtConnection) any = watch_connection(watch, "h0", 0, NULL);
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_eq(second, any);
    ck_assert_ptr_null(watch_connection(watch, "h1", 0, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_UNAVAILABLE));
}
END_TEST

START_TEST(a_wrong_certificate_is_an_identity_fault_and_is_tried_again)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    peers[0].manner = WRONG_CERTIFICATE;
    begin(&settings);
    WAIT_FOR(count("h0:identity (wrong certificate)") >= 3);
    ck_assert_uint_eq(count("h0:disconnected"), 0);
    ck_assert_uint_eq(count("h0:up"), 0);
    pthread_mutex_lock(&lock);
    peers[0].manner = ANSWERS;
    pthread_mutex_unlock(&lock);
    WAIT_FOR(count("h0:up") == 1);
}
END_TEST

START_TEST(a_host_whose_uuid_is_refused_is_not_up)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    peers[0].refuse_identity = 2;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    assert_story("h0", "refused, refused, connected, listed, up");
}
END_TEST

START_TEST(a_database_that_fails_while_connecting_means_close_and_try_again)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    peers[0].fail_connected = 3;
    peers[1].exists = true;
    peers[1].fail_listed = 1;
    peers[2].exists = true;
    peers[2].event_while_listing = true;
    peers[2].fail_event = 1;
    begin(&settings);
    WAIT_FOR(count(":up") == 3);
    assert_story("h0", "connected, listed, up");
    ck_assert_uint_eq(opened("h0"), 4);
    ck_assert_uint_eq(count("h1:connected"), 2);
    ck_assert_uint_eq(count("(the database is away)"), 2);
    ck_assert_uint_eq(count("h2:event started"), 1);
    ck_assert_uint_eq(count("down"), 0); /* none had been up */
}
END_TEST

START_TEST(a_loss_that_cannot_be_recorded_yet_is_recorded_later_and_before_the_next_try)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    pthread_mutex_lock(&lock);
    peers[0].fail_disconnected = 1;
    pthread_mutex_unlock(&lock);
    lose("h0", "gone");
    ck_assert_ptr_null(watch_connection(watch, "h0", 0, NULL)); /* at once */
    WAIT_FOR(count("h0:up") == 2);
    assert_story("h0", "connected, listed, up, disconnected 1 (gone), down, connected, listed, up");
}
END_TEST

START_TEST(events_that_cannot_be_recorded_yet_are_kept_in_order)
{
    WatchSettings settings = patient();
    peers[0].exists = peers[1].exists = true;
    begin(&settings);
    WAIT_FOR(count(":up") == 2);
    pthread_mutex_lock(&lock);
    peers[0].fail_event = 1;
    pthread_mutex_unlock(&lock);
    send("h0", VIRT_DOMAIN_STARTED);
    send("h0", VIRT_DOMAIN_SUSPENDED);
    send("h0", VIRT_DOMAIN_MIGRATED_AWAY);
    send("h1", VIRT_DOMAIN_CRASHED); /* does not wait for h0 */
    WAIT_FOR(count("h0:event migrated_away") == 1 && count("h1:event crashed") == 1);
    assert_story("h0", "connected, listed, up, event started, event suspended, event migrated_away");
}
END_TEST

START_TEST(more_events_than_can_wait_connect_the_host_anew)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    pthread_mutex_lock(&lock);
    peers[0].hold_event = true;
    VirtCallbacks callbacks = peers[0].callbacks;
    void *closure = peers[0].closure;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 3000; i++)
        callbacks.domain(closure, VM, "vm", VIRT_DOMAIN_RESUMED);
    ck_assert_ptr_null(watch_connection(watch, "h0", 0, NULL));
    release_all();
    WAIT_FOR(count("h0:up") == 2);
    ck_assert_uint_eq(count("it sent more events than could be recorded"), 1);
    ck_assert_uint_eq(count("h0:listed"), 2);
    ck_assert_uint_le(count("h0:event resumed"), 1026); /* those that waited, and the one that was being recorded */
    ck_assert_uint_eq(count("stale"), 0);
}
END_TEST

START_TEST(a_host_that_is_removed_is_not_connected_any_more)
{
    WatchSettings settings = patient();
    peers[0].exists = peers[1].exists = true;
    begin(&settings);
    WAIT_FOR(count(":up") == 2);
    pthread_mutex_lock(&lock);
    peers[1].exists = false;
    pthread_mutex_unlock(&lock);
    watch_refresh(watch);
    WAIT_FOR(count(":down") == 1);
    ck_assert_uint_eq(count("h1:disconnected 1") + count("h1:disconnected 2"), 1);
    WAIT_FOR(watch_connection(watch, "h1", 0, NULL) == NULL);
    ck_assert_uint_eq(opened("h1"), 1);
}
END_TEST

START_TEST(a_host_that_goes_down_loses_its_connection_and_is_compared_when_it_is_back)
{
    WatchSettings settings = patient();
    peers[0].exists = peers[1].exists = true;
    peers[0].status = "down";
    begin(&settings);
    WAIT_FOR(count("h1:up") == 1);
    WAIT_FOR(count("h0:up") == 1); /* though it was confirmed dead */
    pthread_mutex_lock(&lock);
    peers[1].status = "down";
    pthread_mutex_unlock(&lock);
    watch_refresh(watch);
    WAIT_FOR(count("h1:down") == 1);
    WAIT_FOR(count("h1:up") == 2);
    ck_assert_uint_eq(count("h1:listed"), 2);
}
END_TEST

START_TEST(a_host_that_is_down_is_tried_at_the_slowest_pace)
{
    WatchSettings settings = patient();
    settings.retry_max_ms = 3600000;
    peers[0].exists = peers[1].exists = true;
    peers[0].status = "down";
    begin(&settings);
    WAIT_FOR(count("h1:up") == 1);
    ck_assert_uint_eq(opened("h0"), 0);
    watch_hurry(watch, "h0"); /* an administrator activates it */
    WAIT_FOR(count("h0:up") == 1);
}
END_TEST

START_TEST(hurry_does_not_wait_for_the_backoff)
{
    WatchSettings settings = patient();
    settings.retry_min_ms = settings.retry_max_ms = 3600000;
    peers[0].exists = true;
    peers[0].manner = REFUSES;
    begin(&settings);
    WAIT_FOR(count("h0:disconnected 0 (refused)") == 1);
    pthread_mutex_lock(&lock);
    peers[0].manner = ANSWERS;
    pthread_mutex_unlock(&lock);
    /* its session may not have ended yet when it is first asked for */
    for (gint64 end = g_get_monotonic_time() + PATIENCE_US; count("h0:up") == 0 && g_get_monotonic_time() < end;) {
        watch_hurry(watch, "h0");
        g_usleep(1000);
    }
    ck_assert_uint_eq(count("h0:up"), 1);
}
END_TEST

START_TEST(a_connection_that_the_database_knows_better_is_made_anew)
{
    WatchSettings settings = patient();
    peers[0].exists = true;
    peers[1].exists = true; /* says connected, but nobody is: a COMMIT whose answer was lost */
    peers[1].manner = REFUSES;
    peers[1].connected = true;
    peers[1].generation = 77;
    begin(&settings);
    WAIT_FOR(count("h0:up") == 1);
    WAIT_FOR(count("h1:disconnected 77") == 1);
    pthread_mutex_lock(&lock);
    peers[0].connected = false;
    pthread_mutex_unlock(&lock);
    watch_refresh(watch);
    WAIT_FOR(count("h0:up") == 2);
    ck_assert_uint_eq(count("h0:down"), 1);
}
END_TEST

START_TEST(a_generation_that_came_too_late_is_given_back)
{
    WatchSettings settings = patient();
    settings.open_deadline_ms = 300;
    peers[0].exists = true;
    peers[0].hold_connected = true;
    begin(&settings);
    WAIT_FOR(count("h0:disconnected 0 (it did not answer within 0.3 s)") >= 1);
    WAIT_FOR(held(0) >= 2); /* a host is opened again only when its opener was written off: the first one is late */
    release_all();
    /* Those that were held come back in any order, and a late one's generation may be the newest: then the connection
     * that is up is made anew. In the end there is one that the database knows. */
    WAIT_FOR(count("(it answered too late)") >= 1);
    WAIT_FOR(is_connected_as_recorded("h0"));
}
END_TEST

START_TEST(the_end_does_not_wait_for_a_frozen_host_which_then_touches_nothing)
{
    WatchSettings settings = patient();
    peers[0].exists = peers[1].exists = true;
    peers[0].manner = FREEZES;
    begin(&settings);
    WAIT_FOR(under_way() == 1 && count("h1:up") == 1);
    watch_free(g_steal_pointer(&watch));
    g_autofree char *before = story("h0");
    ck_assert_str_eq(before, "");
    pthread_mutex_lock(&lock);
    peers[0].manner = ANSWERS; /* it thaws */
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
    WAIT_FOR(under_way() == 0);
    ck_assert(virt_connections_wait(60000));
    assert_story("h0", "");
    assert_story("h1", "connected, listed, up");
}
END_TEST

START_TEST(pauses_double_up_to_the_longest_and_jitter_by_less_than_a_quarter)
{
    ck_assert_uint_eq(watch_backoff_ms(0, 1000, 60000, 0), 1000);
    ck_assert_uint_eq(watch_backoff_ms(3, 1000, 60000, 0), 8000);
    ck_assert_uint_eq(watch_backoff_ms(6, 1000, 60000, 0), 60000);
    ck_assert_uint_eq(watch_backoff_ms(G_MAXUINT, 1000, 60000, 0), 60000);
    ck_assert_uint_eq(watch_backoff_ms(G_MAXUINT, G_MAXUINT, G_MAXUINT, 0), G_MAXUINT);
    for (guint32 random = 0; random < 4096; random++) {
        unsigned pause = watch_backoff_ms(2, 1000, 60000, random);
        ck_assert_uint_gt(pause, 3000);
        ck_assert_uint_le(pause, 4000);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tcase = tcase_create("watch");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, frozen_hosts_in_greater_number_than_openers_do_not_keep_healthy_ones_waiting);
    tcase_add_test(tcase, a_host_that_stays_frozen_takes_a_bounded_number_of_threads);
    tcase_add_test(tcase, a_new_connection_is_recorded_then_compared_then_up);
    tcase_add_test(tcase, a_lost_connection_is_recorded_with_its_generation_and_opened_again);
    tcase_add_test(tcase, a_wrong_certificate_is_an_identity_fault_and_is_tried_again);
    tcase_add_test(tcase, a_host_whose_uuid_is_refused_is_not_up);
    tcase_add_test(tcase, a_database_that_fails_while_connecting_means_close_and_try_again);
    tcase_add_test(tcase, a_loss_that_cannot_be_recorded_yet_is_recorded_later_and_before_the_next_try);
    tcase_add_test(tcase, events_that_cannot_be_recorded_yet_are_kept_in_order);
    tcase_add_test(tcase, more_events_than_can_wait_connect_the_host_anew);
    tcase_add_test(tcase, a_host_that_is_removed_is_not_connected_any_more);
    tcase_add_test(tcase, a_host_that_goes_down_loses_its_connection_and_is_compared_when_it_is_back);
    tcase_add_test(tcase, a_host_that_is_down_is_tried_at_the_slowest_pace);
    tcase_add_test(tcase, hurry_does_not_wait_for_the_backoff);
    tcase_add_test(tcase, a_connection_that_the_database_knows_better_is_made_anew);
    tcase_add_test(tcase, a_generation_that_came_too_late_is_given_back);
    tcase_add_test(tcase, the_end_does_not_wait_for_a_frozen_host_which_then_touches_nothing);
    tcase_add_test(tcase, pauses_double_up_to_the_longest_and_jitter_by_less_than_a_quarter);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
