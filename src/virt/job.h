/* job.h: what libvirt says of a domain's job. */
#ifndef VIRT_JOB_H
#define VIRT_JOB_H

#include "trust/converge.h"
#include <libvirt/libvirt.h>

/* The migration that is under way. False: there is none now, or libvirt does not say. Blocks. */
bool virt_job_read(virDomainPtr domain, ConvergeSample *sample);

#endif
