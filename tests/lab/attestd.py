#!/usr/bin/python3
"""attestd: the lab's attestation server.  It really verifies its hosts.

For every host named in a PollHosts it asks that host's TPM 2.0 for a quote over the policy's PCRs with a
fresh nonce, checks the signature with the enrolled attestation key (AK), and compares each PCR with the
known-good list.  trusted: all of that holds.  untrusted: the host answered, but did not prove a known-good
state.  unknown: no evidence (not enrolled, down, cut off, past the deadline, boot not measured yet).

DIR/enrolled/HOST.json  {"addr": .., "port": .., "ak": hex TPM2B_PUBLIC}         written by tpm.sh enrol
DIR/policy.json         {PCR: {"what": .., "good": [sha256 of a good file, ..]}}  written by tpm.sh policy
DIR/knobs.json          test knobs, optional (see Handler); these three are read again for every poll
DIR/verdicts.log        one JSON line for each verdict: host, level, reason, milliseconds, TPM resets
"""
import argparse, fnmatch, hashlib, json, os, socket, ssl, struct, sys, threading, time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

AK_HANDLE = 0x81010002                  # where tpm.sh enrol keeps the AK in each TPM
QUOTE, PCR_READ, RC_RETRY = 0x158, 0x17E, 0x922
ECC, ECDSA, SHA256, NULL, P256 = 0x23, 0x18, 0x0B, 0x10, 0x03
ZERO = bytes(32)                        # a PCR after TPM2_Startup(CLEAR)

class Untrusted(Exception): """The host answered, but did not prove a known-good state."""

class Reader:
    """Big-endian TPM structures, front to back; struct.error when they are too short."""
    def __init__(self, data): self.data, self.pos = data, 0
    def get(self, fmt):
        values, self.pos = struct.unpack_from('>' + fmt, self.data, self.pos), self.pos + struct.calcsize('>' + fmt)
        return values[0] if len(values) == 1 else values
    def sized(self): return self.get('%ds' % self.get('H'))

class Tpm:
    """A verifier's two TPM commands, over swtpm's data port: plain TPM 2.0 messages on TCP, one client at a time."""
    def __init__(self, addr, deadline):
        self.deadline = deadline
        self.sock = socket.create_connection(addr, self.left())
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    def close(self): self.sock.close()
    def left(self):
        left = self.deadline - time.monotonic()
        if left <= 0: raise TimeoutError('no answer before the deadline')
        return left
    def read(self, size):
        data = b''
        while len(data) < size:
            self.sock.settimeout(self.left())           # one deadline for the whole exchange, not for each recv
            part = self.sock.recv(size - len(data))
            if not part: raise ConnectionResetError('connection closed by the host')
            data += part
        return data
    def run(self, tag, code, body):
        rc = RC_RETRY
        while rc == RC_RETRY:
            self.sock.settimeout(self.left())
            self.sock.sendall(struct.pack('>HII', tag, 10 + len(body), code) + body)
            _, size, rc = struct.unpack('>HII', self.read(10))
            if not 10 <= size <= 4096: raise Untrusted('malformed TPM answer')
            reply = self.read(size - 10)
        if rc: raise Untrusted('the TPM answers with error %#x' % rc)
        return Reader(reply)
    def quote(self, nonce, pcrs):
        password = struct.pack('>IIHBH', 9, 0x40000009, 0, 0, 0)                # empty authorization
        r = self.run(0x8002, QUOTE, struct.pack('>I', AK_HANDLE) + password
                     + struct.pack('>H', len(nonce)) + nonce + struct.pack('>H', NULL) + selection(pcrs))
        r.get('I')
        attest, alg, digest = r.sized(), *r.get('HH')
        if (alg, digest) != (ECDSA, SHA256): raise Untrusted('quote signed with another algorithm')
        return attest, utils.encode_dss_signature(*(int.from_bytes(r.sized(), 'big') for _ in 'rs'))
    def pcr_read(self, pcrs):                                                   # at most 8 in one command
        r = self.run(0x8001, PCR_READ, selection(pcrs))
        r.get('I'); chosen = r.get('10s')
        values = [r.sized() for _ in range(r.get('I'))]
        if chosen != selection(pcrs) or len(values) != len(pcrs): raise Untrusted('the TPM lacks some PCRs')
        return values

def selection(pcrs):                    # TPML_PCR_SELECTION: one bank, sha256
    return struct.pack('>IHB', 1, SHA256, 3) + sum(1 << p for p in pcrs).to_bytes(3, 'little')

def load_ak(public):
    """The AK's public key.  It must be a restricted signing key that never leaves its TPM: such a key signs
    nothing that looks like a quote unless the TPM itself made it."""
    r = Reader(public); r.get('H')
    kind, name_alg, attributes = r.get('HHI'); r.sized()
    scheme = r.get('HHHHH')
    if (kind, name_alg, scheme) != (ECC, SHA256, (NULL, ECDSA, SHA256, P256, NULL)): raise Untrusted('AK is no P-256 key')
    if attributes & 0x70032 != 0x50032: raise Untrusted('AK is no restricted, fixed signing key')
    return ec.EllipticCurvePublicNumbers(*(int.from_bytes(r.sized(), 'big') for _ in 'xy'), ec.SECP256R1()).public_key()

def check_quote(ak, nonce, pcrs, attest, signature):
    """Raise Untrusted unless this quote is from this AK, fresh, and over these PCRs.  (reset count, digest of the PCRs)"""
    try: ak.verify(signature, attest, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature: raise Untrusted("quote not signed by this host's AK") from None
    r = Reader(attest)
    magic, kind = r.get('IH'); r.sized()
    if (magic, kind) != (0xFF544347, 0x8018): raise Untrusted('not a TPM quote')
    if r.sized() != nonce: raise Untrusted('quote is not for this nonce (replayed?)')
    _, resets, _, _, _ = r.get('QIIBQ')
    if r.get('10s') != selection(pcrs): raise Untrusted('quote is over other PCRs')
    return resets, r.sized()

def verify(host, policy, deadline):
    """Return the TPM's reset count if the host is in a known-good state, raise otherwise."""
    ak, pcrs = load_ak(bytes.fromhex(host['ak'])), sorted(policy)
    with closing(Tpm((host['addr'], host['port']), deadline)) as tpm:
        for _ in range(3):                              # a PCR may be extended between the quote and the read
            nonce = os.urandom(32)
            resets, quoted = check_quote(ak, nonce, pcrs, *tpm.quote(nonce, pcrs))
            values = tpm.pcr_read(pcrs)
            if hashlib.sha256(b''.join(values)).digest() == quoted: break
        else: raise Untrusted('PCR values differ from the quoted ones')
    for pcr, value in zip(pcrs, values):
        good = {hashlib.sha256(ZERO + bytes.fromhex(d)).digest() for d in policy[pcr]['good']}
        if value != ZERO and value not in good: raise Untrusted('PCR %d (%s) is not known good' % (pcr, policy[pcr]['what']))
    if ZERO in values: raise TimeoutError('boot not measured yet')      # between power-on and the last measurement
    return resets

class Verifier:
    def __init__(self, directory, deadline=2.0, workers=64):
        self.dir, self.deadline, self.pool = Path(directory), deadline, ThreadPoolExecutor(workers)
        self.locks = defaultdict(threading.Lock)        # swtpm serves one client; more than 3 waiting lose a second
        self.log = open(self.dir / 'verdicts.log', 'a', buffering=1)
    def judge(self, name, policy, deadline):
        start, resets, reason = time.monotonic(), None, ''
        try:
            host = json.loads((self.dir / 'enrolled' / (name + '.json')).read_text())
            if not self.locks[host['addr']].acquire(timeout=max(0, deadline - start)): raise TimeoutError('busy')
            try: resets = verify(host, policy, deadline)
            finally: self.locks[host['addr']].release()
            level = 'trusted'
        except Untrusted as e: level, reason = 'untrusted', str(e)
        except struct.error: level, reason = 'untrusted', 'malformed TPM answer'
        except Exception as e: level, reason = 'unknown', '%s: %s' % (type(e).__name__, e)
        self.log.write(json.dumps({'time': time.time(), 'host': name, 'level': level, 'reason': reason,
                                   'ms': round((time.monotonic() - start) * 1e3, 2), 'resets': resets}) + '\n')
        return level
    def poll(self, names, canned={}):
        """{name: level}.  canned {glob: level} stands in for hosts that are not enrolled, never for one that is."""
        deadline = time.monotonic() + self.deadline
        policy = {int(k): v for k, v in json.loads((self.dir / 'policy.json').read_text()).items()}
        enrolled = set(os.listdir(self.dir / 'enrolled'))                       # so a name cannot be a path
        jobs = {n: self.pool.submit(self.judge, n, policy, deadline) for n in dict.fromkeys(names) if n + '.json' in enrolled}
        return {n: jobs[n].result() if n in jobs else
                next((level for glob, level in canned.items() if fnmatch.fnmatchcase(n, glob)), 'unknown') for n in names}

FAULTS = {'1.0': (500, {'code': 500, 'name': 'AttestationServersFault', 'message': 'poll hosts failed.', 'detail': 'Exception'}),
          '1.5': (500, {'error_code': 500, 'error_message': 'Poll Hosts failed, please make sure the host information is correct'}),
          '2.0': (400, {'error_code': 'AS_HOST_NOT_FOUND', 'error_message': 'Bad request.'})}

class Handler(BaseHTTPRequestHandler):
    """PollHosts in three dialects: 1.0 by its path; else 1.5 on the first port, 2.0 on the second.  Knobs, all optional:
    slow: seconds before the answer     fail: HTTP status, with the dialect's error     garbage: this text as the body
    status: of a good answer     drop: [host]     rename: {host: name in the answer}     lie: {host: level}     canned: {glob: level}
    dead: word for unknown (1.x: "timeout")     vtime: "ms", "c" or a literal     auth_blob: wanted secret, else 401"""
    protocol_version, timeout, disable_nagle_algorithm = 'HTTP/1.1', 60, True
    def log_message(self, *_): pass
    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get('Content-Length') or 0), 1 << 20))
        try: knobs = json.loads((self.server.verifier.dir / 'knobs.json').read_text())
        except FileNotFoundError: knobs = {}
        dialect = {'/OpenAttestationWebServices/V1.0/PollHosts': '1.0',
                   '/AttestationService/resources/PollHosts': self.server.dialect}.get(self.path)
        time.sleep(knobs.get('slow', 0))
        if not dialect: return self.answer(404, {})
        blob = self.headers.get('x-auth-blob') or self.headers.get('Auth_blob')
        if knobs.get('auth_blob', blob) != blob:
            return self.answer(401, {'code': 401, 'name': 'Unauthorized', 'message': 'Authentication failed.', 'detail': ''})
        if 'fail' in knobs: return self.answer(knobs['fail'], FAULTS[dialect][1])
        if 'garbage' in knobs: return self.answer(200, knobs['garbage'])
        try:
            request = json.loads(body); names = request['hosts']
            if dialect == '1.0': names = [names[i] for i in range(request['count'])]            # it loops over count
            if not all(isinstance(n, str) for n in names): raise ValueError('names')
            if dialect == '1.5' and any(not 0 < len(n) <= 50 or set(n) & set('#&+:"\'') for n in names): raise ValueError('name')
        except (ValueError, KeyError, TypeError, IndexError): return self.answer(*FAULTS[dialect])
        levels = {**self.server.verifier.poll(names, knobs.get('canned', {})), **knobs.get('lie', {})}
        now = datetime.now(timezone.utc)
        stamp = now.astimezone().isoformat(timespec='milliseconds')             # 2012-09-09T05:10:40.123-04:00
        if dialect == '2.0': stamp = now.isoformat(timespec='milliseconds').replace('+00:00', '+0000')
        if style := knobs.get('vtime'): stamp = {'ms': int(now.timestamp() * 1e3), 'c': time.asctime(time.gmtime())}.get(style, style)
        word = lambda n: knobs.get('dead', 'unknown') if levels[n] == 'unknown' else levels[n]
        self.answer(knobs.get('status', 200), {'hosts': [{'host_name': knobs.get('rename', {}).get(n, n), 'trust_lvl': word(n), 'vtime': stamp}
                                                     for n in names if n not in knobs.get('drop', ())]})
    def answer(self, status, document):
        data = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128
    def __init__(self, addr, dialect, tls, verifier):
        self.dialect, self.tls, self.verifier = dialect, tls, verifier
        super().__init__(addr, Handler)
    def finish_request(self, sock, addr):       # TLS handshake in the connection's own thread: a silent client blocks only itself
        sock.settimeout(10)
        with self.tls.wrap_socket(sock, server_side=True) as s: Handler(s, addr, self)
    def handle_error(self, _, addr): print('attestd: %s: %r' % (addr[0], sys.exc_info()[1]), file=sys.stderr)

def replay(port, target):
    """A cheating host for the tests: passes on the first answer to each TPM command, then repeats it for ever."""
    seen, server = {}, socket.create_server(('', port))
    while True:
        client = server.accept()[0]
        while len(head := client.recv(10, socket.MSG_WAITALL)) == 10:
            _, size, code = struct.unpack('>HII', head)
            body = client.recv(size - 10, socket.MSG_WAITALL)
            if code not in seen:
                with socket.create_connection(target) as tpm: tpm.sendall(head + body); seen[code] = tpm.recv(4096)
            client.sendall(seen[code])

def main():
    p = argparse.ArgumentParser(description='attestation server of the test lab')
    p.add_argument('command', choices=['serve', 'once', 'replay'])
    p.add_argument('args', nargs='*', help='once: hosts; replay: PORT ADDR PORT')
    for name, default, what in (('--dir', '.', 'enrolled hosts, policy, knobs, log'), ('--deadline', 2.0, 'seconds for one poll'),
                                ('--workers', 64, 'hosts verified at a time'), ('--addr', '127.0.0.1', 'listen here'),
                                ('--port', 8443, 'dialects 1.0 and 1.5'), ('--port2', 8181, 'dialect 2.0'), ('--cert', '', 'PEM'),
                                ('--key', '', 'PEM'), ('--client-ca', '', 'want client certificates of this CA')):
        p.add_argument(name, type=type(default), default=default, help=what)
    o = p.parse_intermixed_args()
    if o.command == 'replay': replay(int(o.args[0]), (o.args[1], int(o.args[2])))
    verifier = Verifier(o.dir, o.deadline, o.workers)
    if o.command == 'once': return print(json.dumps(verifier.poll(o.args)))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=o.client_ca or None)
    tls.load_cert_chain(o.cert, o.key)
    tls.verify_mode = ssl.CERT_REQUIRED if o.client_ca else ssl.CERT_NONE
    servers = [Server((o.addr, o.port), '1.5', tls, verifier), Server((o.addr, o.port2), '2.0', tls, verifier)]
    Path(o.dir, 'pid').write_text(str(os.getpid()))     # both ports listen now: the sign for tpm.sh
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    servers[0].serve_forever()

if __name__ == '__main__': main()
