/* fault.h: the error domain of the whole project. What went wrong, as somebody who asked for it sees it. */
#ifndef TRUST_FAULT_H
#define TRUST_FAULT_H

#include <glib.h>

#define FAULT (fault_quark())

typedef enum {
    FAULT_INVALID,     /* the request is malformed or has a bad value: names the element or line (400) */
    FAULT_INCOMPLETE,  /* a mandatory element is missing (400, "Incomplete parameters") */
    FAULT_NOT_FOUND,   /* there is no such thing (404) */
    FAULT_REFUSED,     /* it is there, but its state or the rules forbid it: says why (409) */
    FAULT_DENIED,      /* not allowed for this user (403) */
    FAULT_UNAVAILABLE, /* the database, a host or a service cannot be reached now: try again (503) */
    FAULT_DEADLINE,    /* it took longer than allowed; what became of it is not known (503) */
    FAULT_FAILED,      /* anything else (500) */
} FaultCode;

GQuark fault_quark(void);

#endif
