"""up-1000, rss-10000, and what 1,000 and 10,000 hosts cost: start-up, sweep, mass failure, threads, memory."""
import time

from pool import Pool, median, row

RUNS = 5
SWEEP = 20                              # seconds between two questions about a host: a third of the default timeout


def wait_up(pool, n):
    pool.wait(lambda: pool.count('up') == n, '%d hosts to be up' % n, 0.02)


def come_up(pool, n):
    """The daemon is started, and all hosts come up together; (seconds since it began to connect, commits, polls)."""
    pool.server.stats()
    begun = time.monotonic()
    pool.start()                        # the watch begins shortly before the daemon serves
    commits = pool.commits()
    wait_up(pool, n)
    took = time.monotonic() - begun
    time.sleep(1.1)                     # the database's counters are a second late
    return took, pool.commits() - commits, pool.server.stats()[0]


def start_alone(pool):
    """Seconds of a daemon's start without hosts."""
    begun = time.monotonic()
    pool.start()
    took = time.monotonic() - begun
    pool.stop()
    return took


def up(inst, programs):
    """From the daemon's start until all are up, less the start of a daemon that has no hosts, measured in turn."""
    empty, pool = Pool(inst, programs, 600), Pool(inst, programs, 600)
    try:
        for each in (empty, pool):
            each.start()
        pool.add_hosts(1000)
        for each in (empty, pool):
            each.stop()
        taken, commits, polls = [], [], []
        for _ in range(RUNS):
            bare = start_alone(empty)
            figures = come_up(pool, 1000)
            pool.stop()
            taken.append(figures[0] - bare)
            commits.append(figures[1])
            polls.append(figures[2])
        yield row('up-1000', median(taken), 's, with %d commits and %d requests' % (median(commits), median(polls)), 2)
    finally:
        empty.remove()
        pool.remove()


def rss(inst, programs):
    pool = Pool(inst, programs)
    try:
        pool.start()
        pool.add_hosts(10000, reachable=False)
        pool.stop()
        pool.start()
        pool.wait(lambda: pool.count('non_responsive') == 10000, 'all hosts to be non-responsive', 0.2)
        samples = []
        for _ in range(RUNS):
            time.sleep(1)
            samples.append(pool.figures())
        yield row('rss-10000', median([sample[0] for sample in samples]), 'MiB', 64)
        yield {'note': 'rss-10000: %.0f MiB at the highest, %d threads' % samples[-1][1:3]}
    finally:
        pool.remove()


def phases(pool, n):
    """{phase: seconds}, and the daemon's figures at the end."""
    begun = time.monotonic()
    pool.start()
    wait_up(pool, n)
    found = {'start-up': time.monotonic() - begun}
    asked = pool.sql('select max(asked_at) from hosts')[0][0]
    pool.wait(lambda: not pool.sql('select exists (select from hosts where asked_at <= %s)', asked)[0][0], 'a sweep', 0.05)
    time.sleep(0.5)
    pool.server.stats()
    asked = pool.sql('select max(asked_at) from hosts')[0][0]
    pool.wait(lambda: not pool.sql('select exists (select from hosts where asked_at <= %s)', asked)[0][0], 'a sweep', 0.05)
    end = time.monotonic()
    found['polls'], hosts, first, _ = pool.server.stats()
    found['sweep'] = end - first
    pool.server.tell('bad %d' % n)
    pool.wait(lambda: pool.count('non_operational') == n, 'all hosts to be non-operational', 0.05)
    found['mass-failure'] = time.monotonic() - pool.server.stats()[2]
    return found, pool.figures()


def many(inst, programs):
    """Limits: a sweep, and the recording of a mass failure, take less than the time between two sweeps; threads do not
    grow with the hosts, and memory in proportion at most (libvirt's test driver keeps its hosts in this process)."""
    figures = {}
    for n in (1000, 10000):
        pool = Pool(inst, programs, 3 * SWEEP)
        try:
            pool.start()
            pool.add_hosts(n)
            pool.stop()
            found, figures[n] = phases(pool, n)
        finally:
            pool.remove()
        yield {'note': '%d hosts: %s; %.0f MiB (at the highest %.0f), %d threads, %d open files'
               % (n, ', '.join('%s %.3g' % item for item in found.items()), *figures[n])}
        for phase in ('sweep', 'mass-failure'):
            yield row('%s-%d' % (phase, n), found[phase], 's', SWEEP)
    yield row('threads-10000', figures[10000][2] / figures[1000][2], 'times those with 1,000 hosts', 1, figures[1000][2])
    yield row('memory-10000', figures[10000][1] / figures[1000][1], 'times that with 1,000 hosts (MiB)', 10, round(figures[1000][1], 1))
