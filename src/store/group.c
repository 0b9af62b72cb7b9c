#include "store/group.h"

#include <pthread.h>

/* A call that waits. It is on its caller's stack. */
typedef struct {
    void *item;
    bool done;
} Call;

struct StoreGroup {
    StoreGroupSend send;
    void *closure;
    pthread_mutex_t lock; /* of what follows; a leaf, not held while it is sent */
    pthread_cond_t sent;
    GPtrArray *waiting; /* of Call */
    bool is_sending;
};

StoreGroup *
store_group_new(StoreGroupSend send, void *closure)
{
    StoreGroup *group = g_new0(StoreGroup, 1);
    group->send = send;
    group->closure = closure;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->sent, NULL);
    group->waiting = g_ptr_array_new();
    return group;
}

void
store_group_free(StoreGroup *group)
{
    if (group == NULL)
        return;
    g_ptr_array_unref(group->waiting);
    pthread_cond_destroy(&group->sent);
    pthread_mutex_destroy(&group->lock);
    g_free(group);
}

/* Called and left with the lock. */
static void
send_all(StoreGroup *group)
{
    g_autoptr(GPtrArray) calls = g_steal_pointer(&group->waiting);
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    group->waiting = g_ptr_array_new();
    group->is_sending = true;
    pthread_mutex_unlock(&group->lock);
    for (guint i = 0; i < calls->len; i++)
        g_ptr_array_add(items, ((Call *)g_ptr_array_index(calls, i))->item);
    group->send(group->closure, items->pdata, items->len);
    pthread_mutex_lock(&group->lock);
    group->is_sending = false;
    for (guint i = 0; i < calls->len; i++)
        ((Call *)g_ptr_array_index(calls, i))->done = true;
    pthread_cond_broadcast(&group->sent);
}

void
store_group_call(StoreGroup *group, void *item)
{
    Call call = {.item = item};
    pthread_mutex_lock(&group->lock);
    g_ptr_array_add(group->waiting, &call);
    while (!call.done) {
        if (group->is_sending)
            pthread_cond_wait(&group->sent, &group->lock);
        else
            send_all(group);
    }
    pthread_mutex_unlock(&group->lock);
}
