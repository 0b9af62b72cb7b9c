#include "virt/loop.h"
#include "trust/fault.h"
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

static pthread_t thread;
static int running; /* atomic: written by start and stop, read by the loop */

static void
swallow(void *data, virErrorPtr error)
{
    /* Errors are returned to the callers, as GError; libvirt's default handler would print them a second time. */
    (void)data;
    (void)error;
}

static void
wake(int timer, void *opaque)
{
    (void)opaque;
    virEventRemoveTimeout(timer);
}

static void *
run(void *unused)
{
    (void)unused;
    while (g_atomic_int_get(&running)) {
        if (virEventRunDefaultImpl() < 0)
            g_usleep(10000); /* never seen; keeps a broken loop from taking a whole processor */
    }
    return NULL;
}

bool
virt_loop_start(GError **error)
{
    /* Read once, by virInitialize: without outputs libvirt writes its warnings to stderr. Whoever hunts a fault in
     * libvirt sets the variable and gets them. */
    g_setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", FALSE);
    virSetErrorFunc(NULL, swallow);
    if (virEventRegisterDefaultImpl() < 0 || virInitialize() < 0) {
        g_set_error(error, FAULT, FAULT_FAILED, "libvirt cannot be initialised: %s", virGetLastErrorMessage());
        return false;
    }
    virSetErrorFunc(NULL, swallow); /* initialising may have set the default handler again */
    g_atomic_int_set(&running, 1);
    int rc = pthread_create(&thread, NULL, run, NULL);
    if (rc != 0) {
        g_atomic_int_set(&running, 0);
        g_set_error(error, FAULT, FAULT_FAILED, "no thread for libvirt's event loop: %s", g_strerror(rc));
        return false;
    }
    return true;
}

void
virt_loop_stop(void)
{
    if (!g_atomic_int_get(&running))
        return;
    g_atomic_int_set(&running, 0);
    virEventAddTimeout(0, wake, NULL, NULL);
    pthread_join(thread, NULL);
}
