/* http_head.h: may a request be read at all? Decided by its header lines alone. Pure. */
#ifndef REST_HTTP_HEAD_H
#define REST_HTTP_HEAD_H

#include <stdbool.h>

/* Zero it, add every header line, then judge. Borrows the strings. */
typedef struct {
    unsigned hosts, lengths, encodings, authorizations, types;
    const char *host, *length, *authorization, *type, *origin;
} HttpHead;

/* Does it say that a body follows? */
bool http_head_has_body(const HttpHead *head);
void http_head_add(HttpHead *head, const char *name, const char *value);
/* The HTTP status with which the request must be refused, with *why (static text), or 0. is_read: GET or HEAD. */
unsigned http_head_judge(const HttpHead *head, bool is_read, unsigned body_max, const char **why);

#endif
