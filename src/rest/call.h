/* call.h: one request while it is served: what was asked, by whom, and the answer that is being written. */
#ifndef REST_CALL_H
#define REST_CALL_H

#include "manager/manager.h"
#include "rest/document.h"
#include "rest/http.h"
#include "rest/xml_writer.h"

typedef struct {
    Manager *manager;
    Store *store;
    const char *schema_file; /* NULL: none */
    HttpRequest *request;
    char *user;
    const char *root; /* what hrefs begin with: the root that the client came by */
    char *id;         /* of {id} or {number} in the path */
    bool is_action;
    /* the answer */
    unsigned status; /* 200 */
    XmlWriter *writer;
    bool has_body;
    char *text; /* instead: these bytes, g_free'd */
    size_t text_size;
    char *location;
} RestCall;

/* Holds the request; takes the user and the id. */
RestCall *rest_call_new(Manager *manager, Store *store, HttpRequest *request, char *user, const char *root, char *id);

/* Parses the body, whose root must be `root`. For actions an empty body is an empty <action>. */
Document *rest_call_document(const RestCall *call, const char *root, GError **error);
/* Where the answer is written. */
XmlWriter *rest_call_writer(RestCall *call);
/* Answers 201 with the new resource's address. */
void rest_call_created(RestCall *call, const char *collection, const char *id);
/* Writes the document of an action that was done. */
void rest_call_complete(RestCall *call);
/* The X of ?search=name=X, g_free; NULL when there is no search; FAULT_INVALID for other searches. */
bool rest_call_search(const RestCall *call, char **name, GError **error);
/* A number among the parameters; leaves *value when it is not there. */
bool rest_call_number(const RestCall *call, const char *name, int64_t min, int64_t max, int64_t *value, GError **error);

/* Sends the answer, or the fault for `error`, and frees the call. Any thread. */
void rest_call_finish(RestCall *call, const GError *error);

/* --- writing what resources have in common --- */
/* href="ROOT/COLLECTION/ID" id="ID" */
void rest_identity(XmlWriter *writer, const char *root, const char *collection, const char *id);
/* <element href id/>; nothing when id is NULL. */
void rest_reference(XmlWriter *writer, const char *element, const char *root, const char *collection, const char *id);
/* <actions> with a link for each; names end with NULL. */
void rest_actions(XmlWriter *writer, const char *root, const char *collection, const char *id,
                  const char *const names[]);

#endif
