/* parts.h: what a Manager consists of; for the files that implement manager.h. */
#ifndef MANAGER_PARTS_H
#define MANAGER_PARTS_H

#include "manager/activation.h"
#include "manager/evacuation.h"
#include "manager/expiry.h"
#include "manager/manager.h"
#include "manager/migration.h"
#include "manager/plugin_host.h"
#include "manager/watch.h"
#include "store/listen.h"
#include <pthread.h>

/* The order is that of starting; stopping goes the other way. */
struct Manager {
    const Config *config;
    Store *store;
    StoreListener *listener; /* the first: without its lock another manager is at work */
    PluginHost *plugin;
    Activations *activations;
    Watch *watch;
    Migrations *migrations;
    Evacuation *evacuation;
    Expiry *expiry;
    pthread_mutex_t lock; /* guards what follows; before the locks of watch and evacuation */
    pthread_cond_t changed;
    bool is_whole;  /* all parts are there */
    bool is_ending; /* they go, or will never all be there */
};

/* False with FAULT_UNAVAILABLE while the lock of the one manager is lost: nothing new may begin. Any thread. */
bool manager_may_begin(Manager *manager, GError **error);

#endif
