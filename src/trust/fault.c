#include "trust/fault.h"

/* Not by G_DEFINE_QUARK: there, threads that fail at the same moment race for a plain static. */
GQuark
fault_quark(void)
{
    static _Atomic GQuark quark;

    if (quark == 0)
        quark = g_quark_from_static_string("trustpool-fault");
    return quark;
}
