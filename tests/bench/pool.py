"""A daemon with many hosts on libvirt's test driver, its private PostgreSQL, and the canned attestation server."""
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import psycopg2

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))

from rest_client import Rest, wait_for_server  # noqa: E402

LIBVIRT = {}
DEADLINE = 300                          # seconds; for anything that is waited for


class Failed(Exception):
    pass


def wait_until(condition, what, pause=0.01, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise Failed('waited %d s for %s' % (deadline, what))
        time.sleep(pause)


class CannedServer:
    """tests/bench/canned_server; it ends with its input, and so with us."""

    def __init__(self, folder, programs):
        self.ca, key = folder + '/attestation.pem', folder + '/attestation.key'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', self.ca],
                       check=True, capture_output=True)
        os.chmod(self.ca, 0o644)
        self.process = subprocess.Popen([programs + '/canned_server', self.ca, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def tell(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def stats(self):
        """(polls, hosts in them, first answer, last answer), since this was asked before; times as time.monotonic()."""
        polls, hosts, first, last = self.tell('stats').split()
        return int(polls), int(hosts), float(first) / 1000, float(last) / 1000

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Pool:
    """Hosts are called h00000, h00001 ... and known to the attestation server as h00000.example.org."""

    def __init__(self, inst, programs, timeout=60, **options):
        self.inst = inst
        self.folder = tempfile.mkdtemp(prefix='tpb', dir='/tmp')
        os.chmod(self.folder, 0o711)
        self.state, self.process, self.database = self.folder + '/state', None, None
        self.server = CannedServer(self.folder, programs)
        self.user = 'postgres' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.write_configuration(timeout, options)

    def write_configuration(self, timeout, options):
        manager = {'state_dir': self.state, 'user': self.user, 'listen_port': 0, 'log_level': 4, **options}
        sections = {'manager': manager, 'libvirt': {'transport': 'test', **LIBVIRT},
                    'trusted_computing': {'attestation_server': '127.0.0.1', 'attestation_port': self.server.port,
                                    'attestation_server_ca_file': self.server.ca, 'attestation_api_url': '/AttestationService/resources',
                                    'attestation_dialect': '2.0', 'attestation_auth_timeout': timeout}}
        self.config = self.folder + '/trustpool.conf'
        with open(self.config, 'w') as file:
            for section, values in sections.items():
                file.write('[%s]\n' % section + ''.join('%s = %s\n' % item for item in values.items()))
        os.chmod(self.config, 0o644)

    # --- the daemon ---

    def start(self):
        """Until it serves."""
        port = self.state + '/port'
        if os.path.exists(port):
            os.remove(port)
        log = open(self.folder + '/log', 'a')
        self.process = subprocess.Popen([self.inst + '/sbin/trustpoold', '--config', self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        log.close()
        self.wait(lambda: os.path.exists(port), 'the daemon')
        if self.database is None:
            self.database = psycopg2.connect(host=self.state + '/postgresql/run', port=5432, user='trustpool', dbname='trustpool',
                                             options='-c search_path=trustpool')
            self.database.autocommit = True

    def wait(self, condition, what, pause=0.01):
        def look():
            if self.process.poll() is not None:
                with open(self.folder + '/log', errors='replace') as file:
                    raise Failed('the daemon has ended: ' + file.read()[-2000:])
            return condition()
        wait_until(look, what, pause)

    def stop(self):
        if self.database is not None:
            self.database.close()       # or its PostgreSQL would end under it
            self.database = None
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def remove(self):
        try:
            if self.process is not None:
                self.stop()             # its PostgreSQL ends with it
        finally:
            self.server.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def rest(self):
        with open(self.state + '/port') as file:
            port = int(file.read())
        with open(self.state + '/admin-password') as file:
            password = file.read().strip()
        rest = Rest('https://127.0.0.1:%d/api' % port, 'admin@internal', password, self.state + '/tls/ca.pem')
        wait_for_server(rest, lambda: self.process.poll() is None)
        return rest

    def figures(self):
        """(resident MiB, its highest, threads, open files) of the daemon."""
        with open('/proc/%d/status' % self.process.pid) as file:
            status = dict(line.split(':', 1) for line in file)
        return (int(status['VmRSS'].split()[0]) / 1024, int(status['VmHWM'].split()[0]) / 1024, int(status['Threads']),
                len(os.listdir('/proc/%d/fd' % self.process.pid)))

    # --- the database ---

    def sql(self, statement, *parameters):
        with self.database.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def count(self, status):
        return self.sql('select count(*) from hosts where status = %s', status)[0][0]

    def commits(self):
        """Of others than us, so far."""
        self.sql('select pg_stat_clear_snapshot()')
        return self.sql("select xact_commit from pg_stat_database where datname = 'trustpool'")[0][0]

    def add_hosts(self, n, reachable=True):
        """In maintenance, in a trusted cluster; reachable ones have a file of their own."""
        os.makedirs(self.folder + '/hosts', exist_ok=True)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'host.xml')) as file:
            node = file.read()
        for i in range(n if reachable else 0):
            with open('%s/hosts/h%05d.xml' % (self.folder, i), 'w') as file:
                file.write(node)
        cluster = self.sql("select id from clusters where name = 'bench'")
        cluster = cluster[0][0] if cluster else self.sql(
            "select cluster_add(data_center_add('bench', ''), 'bench', '', '', '', 3, 6, true, 'migrate')")[0][0]
        self.sql("insert into hosts (cluster_id, name, address, attestation_id, status)"
                 " select %s, 'h' || lpad(i::text, 5, '0'), %s || '/hosts/h' || lpad(i::text, 5, '0') || '.xml',"
                 " 'h' || lpad(i::text, 5, '0') || '.example.org', 'initializing' from generate_series(0, %s - 1) i",
                 cluster, self.folder.lstrip('/'), n)
        self.sql('vacuum analyze hosts')


def row(name, value, unit, limit, floor=None):
    return {'name': name, 'value': round(value, 4), 'unit': unit, 'limit': limit, 'want': 'max', 'ok': value <= limit, 'floor': floor}


def median(values):
    return statistics.median(values)
