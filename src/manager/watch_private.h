/* watch_private.h: what the files watch*.c share. See watch.h for the threads and the lock. */
#ifndef MANAGER_WATCH_PRIVATE_H
#define MANAGER_WATCH_PRIVATE_H

#include "manager/openers.h"
#include "manager/watch.h"
#include <pthread.h>

#define WATCH_EVENTS_MAX 1024    /* of one host, waiting to be recorded */
#define WATCH_EVENTS_PER_TURN 32 /* of one host, before another one's turn */
#define WATCH_HANGING_MAX 256    /* openers past their deadline, in all */
#define WATCH_HANGING_PER_HOST 8 /* then it is not tried again until one comes back: see virt_sockets_keepalive */
#define WATCH_READ_US (30 * G_USEC_PER_SEC)
#define WATCH_STORE_RETRY_US G_USEC_PER_SEC

typedef enum { SESSION_OPENING, SESSION_UP, SESSION_ENDED } SessionState;

/* What is recorded at a session's end. */
typedef enum {
    END_DISCONNECTED,
    END_IDENTITY, /* its certificate is another's */
    END_NOTHING   /* the database knows already, or never heard of the session */
} SessionEnd;

typedef struct {
    char *vm;
    VirtDomainEvent what;
    gint64 came_us; /* g_get_monotonic_time */
} SessionEvent;

/* One attempt to connect to a host, and the connection that came of it. An opener works on it first; then, and at once
 * when the opener is late, it is the recorder's. */
typedef struct {
    int refs;     /* atomic */
    Watch *watch; /* a reference */
    char *host;   /* these never change */
    char *name;
    char *address;
    char *attestation_id;
    /* under watch->lock */
    SessionState state;
    bool is_worked_on; /* by an opener */
    bool is_late;      /* and the opener does not count any more */
    bool is_queued;    /* for the recorder */
    bool is_announced; /* `up` is being or has been called */
    VirtConnection *connection;
    int64_t generation; /* 0: none yet */
    GQueue events;      /* of SessionEvent */
    char *lost;         /* why; NULL: it is not */
    SessionEnd end;
    gint64 not_before_us; /* when the database may be asked again */
    gint64 up_since_us;
} Session;

/* All under watch->lock. */
typedef struct {
    char *id;
    char *name;
    char *address;
    char *attestation_id;
    bool is_listed;   /* it was in the list that was read last */
    bool is_down;     /* confirmed dead: it may come back, but nobody waits for it */
    Session *session; /* a reference; NULL: none */
    unsigned hanging; /* openers that are late with it */
    unsigned failures;
    gint64 next_try_us;
} WatchHost;

struct Watch {
    int refs; /* atomic: the owner, each session */
    WatchSettings settings;
    const WatchStore *functions;
    Store *store;
    WatchListener listener;
    void *closure;
    Openers *openers;
    pthread_t scheduler;
    pthread_t recorder;
    pthread_mutex_t lock;
    pthread_cond_t for_scheduler;
    pthread_cond_t for_recorder;
    pthread_cond_t outside;
    /* under lock */
    GHashTable *hosts; /* id to WatchHost */
    GQueue records;    /* of Session: references */
    unsigned inside;   /* openers in the store or the listener */
    bool must_read;
    bool must_alarm;
    bool stopping;
    guint32 random;
};

/* watch_session.c */
Session *session_new(Watch *watch, const WatchHost *host);
Session *session_ref(Session *session);
void session_unref(Session *session);
void session_event_free(SessionEvent *event);
/* With the lock: it is over, unless it was before; the recorder ends it. */
void session_lose(Session *session, SessionEnd end, const char *why);
/* The openers' functions; the closure is the watch. */
void session_run(void *watch, void *session);
void session_late(void *watch, void *session);
void session_done(void *watch, void *session);

/* watch_recorder.c */
void *recorder_run(void *watch);
/* With the lock. */
void recorder_add(Watch *watch, Session *session);
/* Did the store fail to answer, rather than refuse? */
bool watch_is_worth_a_retry(const GError *error);

/* watch.c */
void watch_unref(Watch *watch);
/* After a call of the store or the listener by an opener, which counted itself in watch->inside before. */
void watch_leave(Watch *watch);
/* With the lock: the session is no longer the host's, which is tried again after a pause. */
void watch_session_ended(Watch *watch, Session *session);

#endif
