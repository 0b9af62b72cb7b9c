"""The lab for tests in Python: lab.sh and tpm.sh behind methods, and libvirt's own binding as the witness.

The witness looks at each host past the manager, on the unix socket of its libvirtd.
"""
import json
import os
import subprocess
import threading
import time

import libvirt

HERE = os.path.dirname(os.path.abspath(__file__))
libvirt.registerErrorHandler(lambda *_: None, None)      # errors come as exceptions; the default prints them, too


def wait_until(condition, what, deadline=90, pause=0.1):
    """Polls until condition() is true; returns its value. `what` says in the failure what never came."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('not within %d s: %s (last: %r)' % (deadline, what() if callable(what) else what, value))
        time.sleep(pause)


def within(seconds, function):
    """function() in a thread of its own: libvirt's calls have no deadline."""
    box = []

    def run():
        try:
            box.append((True, function()))
        except Exception as error:          # handed to the caller below
            box.append((False, error))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not box:
        raise AssertionError('no answer within %d s' % seconds)
    if not box[0][0]:
        raise box[0][1]
    return box[0][1]


class Lab:
    def __init__(self, pfx, net, hosts=3, keepalive=2):
        self.pfx, self.net, self.hosts = pfx, net, range(1, hosts + 1)
        self.folder = os.environ.get('TRUSTPOOL_LAB_BASE', '/var/lib') + '/' + pfx
        self.env = dict(os.environ, PFX=pfx, NET=net, N=str(hosts), KEEPALIVE=str(keepalive), LAB=self.folder)

    def run(self, script, *args, check=True, deadline=120, env=None):
        """Output of lab.sh or tpm.sh; raises with what it said if it fails."""
        done = subprocess.run([os.path.join(HERE, script), *map(str, args)], env=dict(self.env, **(env or {})),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=deadline)
        if check and done.returncode:
            raise AssertionError('%s %s: %d: %s' % (script, ' '.join(map(str, args)), done.returncode, done.stderr.strip()))
        return done.stdout.strip() if check else done

    def sh(self, *args, **more):
        return self.run('lab.sh', *args, **more)

    def tpm(self, *args, **more):
        return self.run('tpm.sh', *args, **more)

    def up(self):
        self.down()
        self.sh('up')
        self.tpm('up')

    def heal(self):
        """As after up(), whatever a test did to it."""
        self.sh('heal')
        self.tpm('up')

    def down(self):
        self.sh('down')

    def power_on(self, i):
        self.sh('boot', i)
        self.tpm('reboot', i)

    def address(self, i):
        return '%s.%d' % (self.net, 10 + i)

    def poll(self, *names):
        """What the attestation server answers: {name: level}."""
        reply = json.loads(self.tpm('poll', *names))
        return {host['host_name']: host['trust_lvl'] for host in reply['hosts']}

    def knob(self, **knobs):
        self.tpm('knob', json.dumps(knobs))

    def disk(self, name):
        return self.sh('disk', name)

    def witness(self, i):
        """A libvirt connection to host i that no rule of the lab stops."""
        return within(30, lambda: libvirt.open(self.sh('uri', i, 'unix')))

    def domains(self, i):
        """{name: state} of the domains on host i; a host that is off has none."""
        try:
            connection = self.witness(i)
        except libvirt.libvirtError:
            return {}
        try:
            return within(30, lambda: {domain.name(): domain.state()[0] for domain in connection.listAllDomains()})
        except libvirt.libvirtError:        # a domain went away while it was asked
            return self.domains(i)
        finally:
            connection.close()

    def places(self, name):
        """Hosts where the VM is running (not merely arriving, or paused)."""
        return [i for i in self.hosts if self.domains(i).get(name) == libvirt.VIR_DOMAIN_RUNNING]

    def create(self, i, name, kind='plain'):
        connection = self.witness(i)
        try:
            connection.createXML(self.sh('vmxml', name, kind))
        finally:
            connection.close()

    def destroy_all(self):
        """No domain is left on any host, whoever started it."""
        for i in self.hosts:
            try:
                connection = self.witness(i)
            except libvirt.libvirtError:
                continue
            for domain in connection.listAllDomains():
                try:
                    domain.destroy()
                except libvirt.libvirtError:
                    pass                    # it has just ended
            connection.close()
