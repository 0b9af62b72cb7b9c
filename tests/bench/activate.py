"""activate-one: bench_activate against a daemon with one host."""
import json
import subprocess

from pool import Failed, Pool


def activate(inst, programs):
    pool = Pool(inst, programs)
    try:
        pool.start()
        pool.add_hosts(1)
        pool.stop()
        pool.start()
        pool.wait(lambda: pool.count('up') == 1, 'the host to be up')
        rest = pool.rest()
        pool.sql('create table bench (n integer); insert into bench values (0)')
        host = pool.sql("select id::text from hosts")[0][0]
        with open(pool.state + '/admin-password') as file:
            password = file.read().strip()
        done = subprocess.run([programs + '/bench_activate', rest.url.geturl(), pool.state + '/tls/ca.pem', password, host, 'h00000.example.org',
                               str(pool.server.port), pool.server.ca, 'host=%s/postgresql/run user=trustpool dbname=trustpool' % pool.state],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        if done.returncode not in (0, 1):
            raise Failed(done.stderr.strip() or 'bench_activate ended with %d' % done.returncode)
        yield from (json.loads(line) for line in done.stdout.splitlines())
    finally:
        pool.remove()
