/* templates.h: templates of VMs. There is the Blank one; only its being is of interest yet. */
#ifndef STORE_TEMPLATES_H
#define STORE_TEMPLATES_H

#include "store/store.h"

typedef struct {
    char *id;
    char *cluster_id; /* NULL: none */
    char *name;
    char *description;
    bool trusted_service;
} Template;

void template_free(Template *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)

/* All by name; elements Template, freed with the array. */
GPtrArray *templates_list(Store *store, GError **error);
Template *template_get(Store *store, const char *id, GError **error); /* FAULT_NOT_FOUND */
Template *template_find(Store *store, const char *name, GError **error);

#endif
