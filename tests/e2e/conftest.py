"""One lab for all end to end tests; each test gets it healed, with a daemon that has an empty database."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lab'))

from lab import Lab                     # noqa: E402
from pool import FOUND_BY_SANITIZERS, PORT, Pool  # noqa: E402


@pytest.fixture(scope='session')
def lab():
    lab = Lab(os.environ.get('TRUSTPOOL_TEST_LAB', 'tptest') + 'e2e', '10.97.0')
    try:
        lab.up()
        lab.port = int(lab.sh('forward', 0, PORT))
        yield lab
    finally:
        lab.down()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    pool = item.funcargs.get('pool')
    if report.when == 'call' and report.failed and pool is not None:
        report.sections.append(('daemon', pool.daemon.output()[-6000:]))
        try:
            report.sections.append(('events', '\n'.join('%s: %s' % event for event in pool.rest.events())))
        except Exception as error:      # the daemon may be what is broken
            report.sections.append(('events', repr(error)))


@pytest.fixture
def pool(lab, request):
    """A healed lab and a started daemon.  @pytest.mark.settings(openers=1) changes its configuration."""
    prefix = os.environ.get('TRUSTPOOL_PREFIX')
    assert prefix, 'TRUSTPOOL_PREFIX names the folder where trustpool is installed; ./runtests build e2e does it all'
    lab.heal()
    marker = request.node.get_closest_marker('settings')
    pool = Pool(lab, prefix, lab.port, **(marker.kwargs if marker else {}))
    try:
        pool.start()
        yield pool
        wrong = pool.daemon.stop()
        assert not wrong, 'the daemon %s\n%s' % (wrong, pool.daemon.output()[-3000:])
        log = pool.daemon.output()
        assert not any(word in log for word in FOUND_BY_SANITIZERS), log[-6000:]
    finally:
        pool.daemon.stop()
        pool.daemon.remove()


def pytest_configure(config):
    config.addinivalue_line('markers', 'long: takes minutes; make check-long runs it')
    config.addinivalue_line('markers', 'settings(**options): options of trustpool.conf for this test')
