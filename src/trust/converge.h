/*
 * converge.h: what is done for a live migration that does not come to an end, because its guest changes memory faster
 * than it is sent. Pure.
 *
 * In this order: more bandwidth, up to the most that is allowed; then auto-converge, which slows the guest's processors
 * down; then, only where the administrator allows it, post-copy; then nothing more until the deadline, at which it is
 * given up and the VM runs on at its source.
 */
#ifndef TRUST_CONVERGE_H
#define TRUST_CONVERGE_H

#include <stdbool.h>
#include <stdint.h>

/* What the hypervisor says of a migration's job. */
typedef struct {
    int64_t data_total;     /* bytes */
    int64_t data_remaining; /* bytes; grows when a pass over the memory begins */
    int64_t passes;         /* over the guest's memory that were begun; 0: not told */
    int64_t dirtied_s;      /* bytes of memory that the guest changed per second in the last pass */
    int64_t sent_s;         /* bytes of memory that are sent per second */
} ConvergeSample;

typedef struct {
    unsigned bandwidth_mib_s;     /* to begin with, MiB/s; 0: not limited */
    unsigned bandwidth_max_mib_s; /* 0: not limited */
    bool post_copy;
    int64_t deadline_ms; /* of one attempt */
} ConvergePolicy;

typedef enum {
    CONVERGE_WAIT,
    CONVERGE_RAISE,     /* bandwidth_mib_s is the new one */
    CONVERGE_THROTTLE,  /* abort, and begin again with auto-converge: libvirt cannot turn it on in between */
    CONVERGE_POST_COPY, /* the guest goes on at the target, and what is missing is fetched from the source */
    CONVERGE_GIVE_UP,
} ConvergeStep;

/* One VM's migration, over all its attempts. All zero but for what converge_begin sets. */
typedef struct {
    unsigned bandwidth_mib_s; /* of now; 0: not limited */
    bool throttles;           /* auto-converge is (to be) on */
    bool post_copies;
    bool stalls; /* the latest sample shows that it does not converge */
    bool raised;
    int64_t acted_ms;
    int64_t acted_passes;
} Converge;

void converge_begin(Converge *converge, const ConvergePolicy *policy);
/* An attempt begins anew, with what the ones before it have led to. */
void converge_again(Converge *converge);
/* What to do now, `elapsed_ms` after the attempt began; `sample` NULL: nothing new is known. The caller does as it
 * says: the state takes for granted that it has been done. */
ConvergeStep converge_next(Converge *converge, const ConvergePolicy *policy, int64_t elapsed_ms,
                           const ConvergeSample *sample);
/* The last thing that was done: "", "bandwidth", "auto_converge" or "post_copy". Static. */
const char *converge_word(const Converge *converge);

#endif
