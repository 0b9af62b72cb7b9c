"""A trusted pool under test: the lab, and a trustpoold that was installed in a prefix and runs in the manager's namespace."""
import os
import pwd
import shutil
import signal
import subprocess
import time

from lab import wait_until
from rest_client import Refused, Rest, text_of, wait_for_server

PORT = 8440                             # in the manager's namespace, which has all its ports for itself
ACCOUNT = 'nobody'                      # PostgreSQL refuses to run as root, so the daemon gives up root
TIMES = {'auth_timeout': 20, 'poll_timeout': 5, 'host_grace': 4, 'activate_timeout': 20}
FOUND_BY_SANITIZERS = ('AddressSanitizer', 'LeakSanitizer', 'ThreadSanitizer', 'runtime error:')


def find_program(prefix, name):
    for folder in ('sbin', 'bin'):
        if os.access(os.path.join(prefix, folder, name), os.X_OK):
            return os.path.join(prefix, folder, name)
    raise AssertionError('%s holds no %s: run ./runtests build e2e' % (prefix, name))


class Daemon:
    """One trustpoold with a state of its own.  It can be killed and started again."""

    def __init__(self, lab, prefix, folder, **settings):
        self.lab, self.prefix, self.folder, self.process = lab, prefix, folder, None
        self.state, self.config, self.log = folder + '/state', folder + '/trustpool.conf', folder + '/log'
        account = pwd.getpwnam(ACCOUNT)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self.state, mode=0o700)
        shutil.copytree(lab.folder + '/pki/client', folder + '/pki')
        for path in (folder, self.state, folder + '/pki', *(folder + '/pki/' + file for file in os.listdir(folder + '/pki'))):
            os.chown(path, account.pw_uid, account.pw_gid)
        self.configure(**settings)

    def configure(self, **settings):
        """Writes the configuration.  openers=1 and the like change the settings of their name."""
        sections = {
            'manager': {'state_dir': self.state, 'user': ACCOUNT, 'listen_address': '127.0.0.1', 'listen_port': PORT,
                        'log_level': 7, 'activate_timeout': TIMES['activate_timeout'], 'host_grace': TIMES['host_grace'],
                        'evacuation_max_share': 100, 'evacuation_deadline': 60, 'domain_type': 'qemu'},
            'database': {},
            'libvirt': {'pki_dir': self.folder + '/pki', 'keepalive_interval': 2, 'keepalive_count': 3, 'open_deadline': 10,
                        'openers': 4, 'retry_min_ms': 200, 'retry_max_ms': 1000},
            'trusted_computing': {'attestation_server': self.lab.net + '.2', 'attestation_port': 8443,
                                  'attestation_server_ca_file': self.lab.folder + '/attest/cacert.pem',
                                  'attestation_api_url': '/AttestationService/resources',
                                  'attestation_auth_timeout': TIMES['auth_timeout'],
                                  'attestation_poll_timeout': TIMES['poll_timeout']},
        }
        for key, value in settings.items():
            next((section for section in sections.values() if key in section), sections['manager'])[key] = value
        with open(self.config, 'w') as file:
            for section, values in sections.items():
                file.write('[%s]\n%s\n' % (section, ''.join('%s = %s\n' % pair for pair in values.items())))

    def start(self, crash_at=None):
        env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C.UTF-8', **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
        if crash_at:
            env['TRUSTPOOL_CRASH_AT'] = crash_at
        with open(self.log, 'a') as log:
            self.process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.lab.pfx + '-mgr', find_program(self.prefix, 'trustpoold'), '--config', self.config],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as the kernel does when memory is short: nothing is tidied up."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def wait_for_crash(self):
        wait_until(lambda: not self.is_alive(), 'the daemon to reach its crash point')
        assert self.process.returncode == -signal.SIGKILL, 'it ended with %s instead' % self.process.returncode
        self.process = None

    def stop(self):
        """As an administrator does.  It has to end by itself, with success; returns what went wrong instead."""
        process, self.process = self.process, None
        if process is None:
            return None
        early = process.poll()
        if early is not None:
            return 'had ended with %d' % early
        process.terminate()
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return 'did not end within 60 s of SIGTERM'
        return 'ended with %d after SIGTERM' % status if status else None

    def output(self):
        with open(self.log, errors='replace') as file:
            return file.read()

    def remove(self):
        """After a SIGKILL its PostgreSQL lives on."""
        pids = subprocess.run(['ip', 'netns', 'pids', self.lab.pfx + '-mgr'], capture_output=True, text=True).stdout.split()
        for pid in pids:
            try:
                with open('/proc/%s/cmdline' % pid) as file:
                    if self.state in file.read():
                        os.kill(int(pid), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass


class Pool:
    """A lab with a daemon, and words for what a test does and waits for."""
    CLUSTER = 'my_trust_cluster'

    def __init__(self, lab, prefix, port, folder=None, **settings):
        self.lab, self.port = lab, port
        self.daemon = Daemon(lab, prefix, folder or lab.folder + '/manager', **settings)
        self.rest = None

    def start(self, crash_at=None):
        self.daemon.start(crash_at)
        wait_until(lambda: os.path.exists(self.daemon.state + '/admin-password') or not self.daemon.is_alive(), 'the first password')
        wait_until(lambda: os.path.exists(self.daemon.state + '/tls/ca.pem') or not self.daemon.is_alive(), 'the certificate')
        assert self.daemon.is_alive(), 'the daemon has ended:\n' + self.daemon.output()[-3000:]
        with open(self.daemon.state + '/admin-password') as file:
            password = file.read().strip()
        self.rest = Rest('https://127.0.0.1:%d/api' % self.port, 'admin@internal', password, self.daemon.state + '/tls/ca.pem')
        wait_for_server(self.rest, self.daemon.is_alive)

    def restart(self):
        """Starts it again after a crash; whoever still had an answer to come has lost it."""
        self.start()

    # --- what tests do ---

    def prepare(self, trusted=True, hosts=None):
        """A cluster with the lab's hosts, all up."""
        self.rest.add_cluster(self.CLUSTER, trusted)
        for i in hosts or self.lab.hosts:
            self.rest.add_host('h%d' % i, self.lab.address(i), self.CLUSTER)
            self.activate(i)

    def activate(self, i):
        self.rest.action('hosts', 'h%d' % i, 'activate')

    def add_vm(self, name, **more):
        self.rest.add_vm(name, self.CLUSTER, self.lab.disk(name), **more)

    def run_vm(self, name, i=None, **more):
        """Adds and starts a VM with a disk, on host i."""
        self.add_vm(name, **more)
        self.rest.start(name, 'h%d' % i if i else None)
        self.wait_vm(name, 'up', i)

    # --- what tests wait for ---

    def wait_host(self, i, status, reason=None, deadline=90):
        name = 'h%d' % i
        wait_until(lambda: self.state(name)[0] == status and (reason is None or self.state(name)[1] == reason),
                   lambda: '%s to be %s %s; it is %s' % (name, status, reason or '', self.state(name)), deadline)

    def state(self, name):
        return self.rest.host_state(name)

    def host_of(self, name):
        """(status, number of the host) of a VM, as the manager says."""
        status, host = self.rest.vm_state(name)
        names = {item.get('id'): text_of(item, 'name') for item in self.rest.list('hosts')} if host else {}
        return status, int(names[host][1:]) if host else None

    def wait_vm(self, name, status, i=None, deadline=90):
        def arrived():
            now, host = self.host_of(name)
            return now == status and (i is None or host == i or (isinstance(i, (set, list)) and host in i))
        wait_until(arrived, lambda: '%s to be %s on %s; it is %s, and runs on %s'
                   % (name, status, i, self.host_of(name), self.lab.places(name)), deadline)

    def wait_places(self, name, places, deadline=90):
        """By the witness: where libvirt runs it."""
        wait_until(lambda: self.lab.places(name) in [[i] for i in places],
                   lambda: '%s to run on one of %s; it runs on %s' % (name, places, self.lab.places(name)), deadline)

    def copies(self, name):
        """Hosts that have a domain of this name, in whatever state."""
        return [i for i in self.lab.hosts if name in self.lab.domains(i)]

    def wait_one_copy(self, name, deadline=90):
        """What a cut off migration left on its target goes when libvirtd there has seen the connection end."""
        wait_until(lambda: len(self.copies(name)) == 1, lambda: 'one copy of %s; there are some on %s' % (name, self.copies(name)), deadline)

    def events(self, name, about=''):
        return [text for event, text in self.rest.events() if event == name and about in text]

    def wait_event(self, name, about='', deadline=90):
        return wait_until(lambda: self.events(name, about), lambda: 'event %s about %s; there are: %s'
                          % (name, about, '; '.join('%s: %s' % event for event in self.rest.events())), deadline)

    def refused(self, status, function, *args):
        """function(*args) is answered with this status; the text of the fault."""
        try:
            function(*args)
        except Refused as refusal:
            assert refusal.status == status, refusal
            return refusal.text
        raise AssertionError('it was not refused')

    def holds(self, condition, seconds, what):
        """A thing that must not happen does not, for as long as a few rounds of asking take."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert condition(), what
            time.sleep(0.2)
