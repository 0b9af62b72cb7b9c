"""The lab is what the end to end tests rest on: it does what its header says, and opens no door that rule HOSTILE closes."""
import os
import subprocess
import urllib.request

import pytest

from lab import HERE, Lab, wait_until, within


@pytest.fixture(scope='module')
def lab():
    lab = Lab(os.environ.get('TRUSTPOOL_TEST_LAB', 'tptest') + 'lab', '10.98.0')
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.fixture(autouse=True)
def no_guests(request):
    yield
    if 'lab' in request.fixturenames:
        request.getfixturevalue('lab').destroy_all()


TIMED_OUT = 124                      # exit status of timeout(1)


def virsh(lab, i, *args, deadline=60):
    """virsh as the manager: in its namespace, with its certificate.  Past its deadline it is ended: TIMED_OUT."""
    return lab.sh('mgr', 'timeout', deadline, 'virsh', '-q', '-c', lab.sh('uri', i), *args, check=False, deadline=deadline + 60)


def from_host(lab, i, target, ca, cert, key):
    """virsh inside host i, towards another host's libvirtd, with these credentials of host i."""
    script = ('d=$(mktemp -d); cp {ca} $d/cacert.pem; cp {cert} $d/clientcert.pem; cp {key} $d/clientkey.pem; '
              'timeout 20 virsh -q -c "qemu+tls://{to}/system?pkipath=$d" list; r=$?; rm -r $d; exit $r')
    return lab.sh('exec', i, 'sh', '-c', script.format(ca=ca, cert=cert, key=key, to=lab.address(target)), check=False)


def test_each_host_lets_in_the_manager_and_has_an_identity_of_its_own(lab):
    names = [virsh(lab, i, 'hostname').stdout.strip() for i in lab.hosts]
    assert names == ['h1', 'h2', 'h3']
    capabilities = [virsh(lab, i, 'capabilities').stdout for i in lab.hosts]
    assert len({text.split('<uuid>')[1].split('</uuid>')[0] for text in capabilities}) == 3


@pytest.mark.parametrize('cert,key', [
    ('servercert.pem', 'serverkey.pem'), ('qemu/server-cert.pem', 'qemu/server-key.pem'),
    ('qemu/client-cert.pem', 'qemu/client-key.pem')])
def test_a_hosts_certificate_is_refused_by_another_hosts_libvirtd(lab, cert, key):
    pki = '/etc/libvirt/pki/'
    refused = from_host(lab, 1, 2, pki + 'cacert.pem', pki + cert, pki + key)
    assert refused.returncode == 1 and 'h1' not in refused.stdout, refused
    assert virsh(lab, 2, 'list').returncode == 0


def test_the_refusal_is_by_name_and_the_managers_own_certificate_passes_from_there(lab):
    """So it is the certificate that is refused above, not the way to the other host."""
    with open(lab.folder + '/h2/log/libvirtd.log') as log:
        log.seek(0, os.SEEK_END)
        pki = '/etc/libvirt/pki/'
        from_host(lab, 1, 2, pki + 'cacert.pem', pki + 'servercert.pem', pki + 'serverkey.pem')
        wait_until(lambda: 'not on the list of allowed clients' in log.read() or None, 'the refusal in the log of h2', 20)
    own = lab.folder + '/h1/lib/stolen'
    os.mkdir(own)
    for file in ('cacert.pem', 'clientcert.pem', 'clientkey.pem'):
        with open('%s/pki/client/%s' % (lab.folder, file)) as source, open(own + '/' + file, 'w') as copy:
            copy.write(source.read())
    inside = '/var/lib/libvirt/stolen/'
    passed = from_host(lab, 1, 2, inside + 'cacert.pem', inside + 'clientcert.pem', inside + 'clientkey.pem')
    assert passed.returncode == 0, passed


def test_a_host_cannot_read_the_keys_of_the_certificate_authorities(lab):
    assert lab.sh('exec', 1, 'ls', lab.folder + '/pki') == ''


def test_no_libvirtd_listens_without_tls(lab):
    for i in lab.hosts:
        listening = lab.sh('exec', i, 'ss', '-Hltn')
        assert ':16514' in listening and ':16509' not in listening


def test_the_migration_certificates_come_from_another_authority(lab):
    verify = ['openssl', 'verify', '-CAfile']
    host = lab.folder + '/h1/etc/pki/'
    for file in ('server-cert.pem', 'client-cert.pem'):
        mine = subprocess.run([*verify, host + 'qemu/ca-cert.pem', host + 'qemu/' + file], capture_output=True)
        other = subprocess.run([*verify, host + 'cacert.pem', host + 'qemu/' + file], capture_output=True)
        assert mine.returncode == 0 and other.returncode != 0


def test_a_guest_with_a_writable_disk_migrates_encrypted_with_the_managers_certificate(lab):
    lab.create(1, 'roamer', 'disk')
    moved = virsh(lab, 1, 'migrate', '--live', '--tls', 'roamer', lab.sh('uri', 2))
    assert moved.returncode == 0, moved.stderr
    assert lab.places('roamer') == [2]
    back = virsh(lab, 2, 'migrate', '--live', '--tls', 'roamer', lab.sh('uri', 3))
    assert back.returncode == 0, back.stderr
    assert lab.places('roamer') == [3]


@pytest.mark.parametrize('kind,why', [('pinned', "'peer mode'"), ('unsafe', 'without shared storage')])
def test_a_guest_that_cannot_migrate_is_refused_and_keeps_running(lab, kind, why):
    lab.create(1, 'rooted', kind)
    refused = virsh(lab, 1, 'migrate', '--live', '--tls', 'rooted', lab.sh('uri', 2))
    assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    assert lab.places('rooted') == [1]


def test_a_busy_guest_never_ends_its_migration_when_slowed_down(lab):
    lab.create(1, 'busy', 'busy')
    slow = virsh(lab, 1, 'migrate', '--live', '--tls', '--bandwidth', '1', 'busy', lab.sh('uri', 2), deadline=4)
    assert slow.returncode == TIMED_OUT, slow
    wait_until(lambda: lab.places('busy') == [1] and not lab.domains(2), 'the guest to be back on h1 alone')


def test_a_hook_refuses_an_incoming_guest_until_told_otherwise(lab):
    lab.create(1, 'guest')
    lab.sh('deny', 2, 'prepare')
    refused = virsh(lab, 1, 'migrate', '--live', '--tls', 'guest', lab.sh('uri', 2))
    assert refused.returncode == 1 and 'policy: h2 refuses prepare of guest' in refused.stderr
    lab.sh('deny', 2, 'prepare', 'off')
    assert virsh(lab, 1, 'migrate', '--live', '--tls', 'guest', lab.sh('uri', 2)).returncode == 0


def test_a_frozen_libvirtd_accepts_but_never_answers_and_thaws(lab):
    lab.sh('freeze', 2)
    try:
        lab.sh('mgr', 'timeout', '20', 'bash', '-c', 'exec 3<>/dev/tcp/%s/16514' % lab.address(2))
        assert virsh(lab, 2, 'hostname', deadline=2).returncode == TIMED_OUT
    finally:
        lab.sh('thaw', 2)
    assert virsh(lab, 2, 'hostname').stdout.strip() == 'h2'


def test_guests_survive_libvirtd_but_not_the_power(lab):
    lab.create(3, 'guest')
    lab.sh('stopd', 3)
    lab.sh('startd', 3)
    assert lab.places('guest') == [3]
    lab.sh('crash', 3)
    assert lab.domains(3) == {}
    assert lab.poll('h3') == {'h3': 'unknown'}
    lab.power_on(3)
    assert lab.domains(3) == {}
    assert lab.poll('h3') == {'h3': 'trusted'}


def test_a_cut_host_is_reached_again_after_join(lab):
    lab.sh('cut', 1)
    assert virsh(lab, 1, 'hostname', deadline=2).returncode == TIMED_OUT
    lab.sh('join', 1)
    wait_until(lambda: virsh(lab, 1, 'hostname').stdout.strip() == 'h1', 'h1 after join')


def test_the_attestation_server_sees_what_a_host_measured(lab):
    names = ['h1', lab.address(2), 'h3']
    assert set(lab.poll(*names).values()) == {'trusted'}
    lab.tpm('tamper', 2)
    assert lab.poll(*names) == {'h1': 'trusted', lab.address(2): 'untrusted', 'h3': 'trusted'}
    lab.tpm('reboot', 2)
    assert set(lab.poll(*names).values()) == {'trusted'}
    assert lab.poll('stranger') == {'stranger': 'unknown'}


def test_the_attestation_server_fails_as_told(lab):
    lab.knob(drop=['h1'], rename={'h2': 'h9'})
    assert lab.poll('h1', 'h2', 'h3') == {'h9': 'trusted', 'h3': 'trusted'}
    lab.knob(garbage='<html>')
    assert lab.tpm('poll', 'h1') == '<html>'
    lab.tpm('knob')
    assert lab.poll('h1') == {'h1': 'trusted'}


def test_heal_undoes_what_was_done_to_hosts(lab):
    lab.create(1, 'left')
    lab.sh('deny', 1, 'prepare')
    lab.sh('cut', 1)
    lab.sh('freeze', 2)
    lab.sh('crash', 3)
    lab.tpm('knob', '{"fail": 500}')
    lab.heal()
    assert [virsh(lab, i, 'list', '--name').stdout.strip() for i in lab.hosts] == ['', '', '']
    lab.create(2, 'guest')
    assert virsh(lab, 2, 'migrate', '--live', '--tls', 'guest', lab.sh('uri', 1)).returncode == 0
    assert set(lab.poll('h1', 'h2', 'h3').values()) == {'trusted'}


def test_the_attestation_servers_certificate_has_a_ca_of_its_own(lab):
    url = 'https://%s.2:8443/' % lab.net
    for ca, status in (('/pki/control/cacert.pem', 60), ('/attest/cacert.pem', 0)):
        asked = lab.sh('mgr', 'curl', '-sS', '-m', '30', '-o', '/dev/null', '--cacert', lab.folder + ca, url, check=False)
        assert asked.returncode == status, asked.stderr


def test_a_forwarded_port_leads_from_loopback_into_the_managers_namespace(lab, tmp_path):
    (tmp_path / 'hello').write_text('from the manager')
    server = subprocess.Popen(['ip', 'netns', 'exec', lab.pfx + '-mgr', '/usr/bin/python3', '-um', 'http.server', '8080',
                               '--bind', '127.0.0.1', '-d', str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        within(60, server.stdout.readline)      # it says when it listens
        port = int(lab.sh('forward', 0, 8080))
        assert urllib.request.urlopen('http://127.0.0.1:%d/hello' % port, timeout=30).read() == b'from the manager'
        taken = lab.sh('forward', port, 8080, check=False)
        assert taken.returncode == 1 and 'in use' in taken.stderr
    finally:
        server.kill()
        server.wait()


def test_down_removes_a_half_started_lab_and_nothing_else(lab, tmp_path):
    """Here up stops half way, at the first question about QEMU."""
    half = Lab(os.environ.get('TRUSTPOOL_TEST_LAB', 'tptest') + 'hlf', '10.98.0')
    half.down()
    broken = tmp_path / 'virsh'
    broken.write_text('#!/bin/sh\ncase "$*" in *domcapabilities*) exit 1;; *) exec /usr/bin/virsh "$@";; esac\n')
    broken.chmod(0o755)
    failed = half.sh('up', check=False, env={'PATH': '%s:%s' % (tmp_path, os.environ['PATH'])})
    assert failed.returncode == 1 and 'QEMU of host 1 does not answer' in failed.stderr, failed
    half.disk('left-open')
    half.down()
    assert half.pfx not in subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True).stdout
    assert not os.path.exists(half.folder) and not os.path.exists('/etc/netns/%s-mgr' % half.pfx)
    assert half.pfx not in subprocess.run(['ps', '-eo', 'args'], capture_output=True, text=True).stdout
    assert virsh(lab, 1, 'hostname').stdout.strip() == 'h1'


def test_a_bad_setting_is_refused_with_its_name():
    for setting in ({'PFX': 'Bad-Name'}, {'NET': '10.1'}, {'N': '0'}, {'LAB': 'relative'}):
        refused = subprocess.run([os.path.join(HERE, 'lab.sh'), 'status'], env=dict(os.environ, **setting), capture_output=True, text=True)
        assert refused.returncode == 1 and list(setting)[0] in refused.stderr
