#include "virt/presence.h"
#include <check.h>
#include <glib.h>
#include <libvirt/libvirt.h>

START_TEST(only_what_certainly_runs_is_running)
{
    static const struct {
        int state;
        VirtPresence presence;
    } table[] = {
        {VIR_DOMAIN_RUNNING, VIRT_RUNNING},    {VIR_DOMAIN_BLOCKED, VIRT_RUNNING}, {VIR_DOMAIN_PAUSED, VIRT_PAUSED},
        {VIR_DOMAIN_PMSUSPENDED, VIRT_PAUSED}, {VIR_DOMAIN_SHUTOFF, VIRT_ABSENT},  {VIR_DOMAIN_CRASHED, VIRT_ABSENT},
        {VIR_DOMAIN_SHUTDOWN, VIRT_PAUSED},    {VIR_DOMAIN_NOSTATE, VIRT_PAUSED},  {99, VIRT_PAUSED},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        ck_assert_msg(virt_state_presence(table[i].state) == table[i].presence, "state %d", table[i].state);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("presence");
    TCase *tests = tcase_create("presence");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, only_what_certainly_runs_is_running);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
