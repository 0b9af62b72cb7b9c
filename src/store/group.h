/*
 * group.h: calls of many threads that are sent as one. Inside store/ only.
 *
 * While a call is under way, others of the same kind gather, and the next one takes them all: load makes batches by
 * itself, with no delay when idle (as a database's group commit does).
 */
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include "store/store.h"

typedef struct StoreGroup StoreGroup;

/* Sends the items, n > 0 of them, as one; what becomes of each is written into it. Not called twice at a time. */
typedef void (*StoreGroupSend)(void *closure, void *const items[], size_t n);

StoreGroup *store_group_new(StoreGroupSend send, void *closure);
/* No call may be under way. Takes NULL. */
void store_group_free(StoreGroup *group);
/* Returns when the item has been sent, by this thread or by another one, after at most one other sending. Any thread.
 */
void store_group_call(StoreGroup *group, void *item);

/* The store's own groups. */
typedef enum { STORE_GROUP_CONNECTED, STORE_GROUP_LISTED, STORE_GROUPS } StoreGroupKind;
/* Made at its first use, with the store as the closure; `send` is always the same for a kind. */
StoreGroup *store_group(Store *store, StoreGroupKind kind, StoreGroupSend send);

#endif
