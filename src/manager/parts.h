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

/* The order is that of starting; stopping goes the other way. */
struct Manager {
    const Config *config;
    Store *store;
    PluginHost *plugin;
    Activations *activations;
    Watch *watch;
    Migrations *migrations;
    Evacuation *evacuation;
    Expiry *expiry;
    StoreListener *listener;
};

#endif
