#include "virt/job.h"
#include <stddef.h>

/* What the driver does not tell stays 0. */
static int64_t
field(virTypedParameterPtr params, int n, const char *name)
{
    unsigned long long value = 0;
    if (virTypedParamsGetULLong(params, n, name, &value) <= 0 || value > INT64_MAX)
        return 0;
    return (int64_t)value;
}

/* QEMU tells the dirty rate in pages per second; it is that of the last pass. */
static int64_t
dirtied(virTypedParameterPtr params, int n)
{
    int64_t pages = field(params, n, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE);
    int64_t size = field(params, n, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE);
    if (size == 0)
        size = 4096;
    return pages > INT64_MAX / size ? INT64_MAX : pages * size;
}

bool
virt_job_read(virDomainPtr domain, ConvergeSample *sample)
{
    int type = VIR_DOMAIN_JOB_NONE, n = 0;
    virTypedParameterPtr params = NULL;
    if (virDomainGetJobStats(domain, &type, &params, &n, 0) < 0)
        return false;
    *sample = (ConvergeSample){
        .data_total = field(params, n, VIR_DOMAIN_JOB_DATA_TOTAL),
        .data_remaining = field(params, n, VIR_DOMAIN_JOB_DATA_REMAINING),
        .passes = field(params, n, VIR_DOMAIN_JOB_MEMORY_ITERATION),
        .dirtied_s = dirtied(params, n),
        .sent_s = field(params, n, VIR_DOMAIN_JOB_MEMORY_BPS),
    };
    virTypedParamsFree(params, n);
    return type != VIR_DOMAIN_JOB_NONE;
}
