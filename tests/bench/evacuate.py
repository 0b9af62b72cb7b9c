"""evacuate-10: the daemon empties a host of 10 lab VMs, held against `virsh migrate` of copies of them, as many at a time.

Both are encrypted and not peer-to-peer, between the same two hosts, in turn, there and back.  The daemon's time is from
the event that the host is to be emptied to the end of the last operation, by its database's clock.
"""
import os
import re
import subprocess
import sys
import time

from pool import median, row

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNS = 6                                # half of them there, half back
VMS = 10
AT_A_TIME = 2                           # the default of migrations_per_host
TOOK = """select extract(epoch from max(o.ended_at) - (select max(time) from audit_log where name = 'HOST_PREPARING_FOR_MAINTENANCE'))
          from operations o where o.kind = 'migrate' and o.outcome = 'done'"""


def copy_domains(lab, names):
    """The daemon's VMs again, under other names, as libvirt has them."""
    connection = lab.witness(1)
    for name in names:
        copy = name.replace('vm', 'cp')
        xml = connection.lookupByName(name).XMLDesc()
        ports = [re.search(r':(\d+)/', lab.disk(each))[1] for each in (name, copy)]
        xml = xml.replace("port='%s'" % ports[0], "port='%s'" % ports[1]).replace(name, copy)
        connection.createXML(re.sub(r"<uuid>.*?</uuid>|<domain type='(\w+)' id='\d+'", lambda found: "<domain type='%s'" % found[1] if found[1] else '', xml))
    connection.close()


def virsh_all(lab, names, source, target):
    """Seconds of all migrations with so many at a time."""
    uris = [lab.sh('uri', i, 'tls') for i in (source, target)]
    begun = time.monotonic()
    subprocess.run(['ip', 'netns', 'exec', lab.pfx + '-mgr', 'xargs', '-P', str(AT_A_TIME), '-I', '{}',
                    'virsh', '-q', '-c', uris[0], 'migrate', '--live', '--tls', '{}', uris[1]],
                   input='\n'.join(names), text=True, check=True, capture_output=True, timeout=300)
    return time.monotonic() - begun


def empty_host(pool, source, target):
    """Seconds of the daemon for the same."""
    pool.rest.action('hosts', 'h%d' % source, 'deactivate')
    pool.wait_host(source, 'maintenance')
    with database(pool) as connection, connection.cursor() as cursor:
        cursor.execute(TOOK)
        took = float(cursor.fetchone()[0])
    pool.activate(source)
    return took


def database(pool):
    import psycopg2
    return psycopg2.connect(host=pool.daemon.state + '/postgresql/run', port=5432, user='trustpool', dbname='trustpool',
                            options='-c search_path=trustpool')


def measure(pool, lab):
    names = ['vm%02d' % i for i in range(VMS)]
    pool.prepare(hosts=[1, 2])
    for name in names:
        pool.run_vm(name, 1)
    copy_domains(lab, names)
    copies = [name.replace('vm', 'cp') for name in names]
    bare, own = [], []
    for i in range(RUNS + 1):
        ends = (1, 2) if i % 2 == 0 else (2, 1)
        bare.append(virsh_all(lab, copies, *ends))
        own.append(empty_host(pool, *ends))
    ratios = [a / b for a, b in zip(own[1:], bare[1:])]     # the first one was cold
    yield row('evacuate-10', median(ratios), 'times virsh migrate, %d at a time' % AT_A_TIME, 1.15, round(median(bare[1:]), 3))
    yield {'note': 'evacuate-10: floor in s; the daemon alone %.3g s' % median(own[1:])}


def evacuate(inst, programs):
    del programs
    if os.geteuid() != 0:
        yield {'note': 'evacuate-10 needs root: the lab has network namespaces'}
        return
    sys.path[:0] = [TESTS + '/lab']
    from lab import Lab
    pools = load('e2e/pool.py')
    lab = Lab('tpbench', '10.98.0', hosts=2)
    pool = None
    try:
        lab.up()
        lab.port = int(lab.sh('forward', 0, pools.PORT))
        pool = pools.Pool(lab, inst, lab.port, migrations_per_host=AT_A_TIME, log_level=4)
        pool.start()
        yield from measure(pool, lab)
    finally:
        if pool is not None:
            pool.daemon.stop()
            pool.daemon.remove()
        lab.down()


def load(path):
    """A module of another folder of tests, whose name is also one of ours."""
    import importlib.util
    spec = importlib.util.spec_from_file_location('e2e_pool', os.path.join(TESTS, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
