#!/usr/bin/env bash
# A software TPM 2.0 for each host of lab.sh, and the attestation server (attestd.py) that verifies them.
# Needs root, a running lab (same PFX, LAB, NET, N), and the packages of tests/packages.
#   tpm.sh up [ARG..] | down       TPMs, enrolment, policy and server for all hosts, without knobs (again: measured anew) | stop server and TPMs
#   tpm.sh start I | stop I [SIG]  power host I's TPM on (a measured boot) | kill it (SIG: STOP freezes, CONT thaws)
#   tpm.sh reboot I                stop + start: PCRs cleared and measured again, keys kept (also after lab.sh boot I)
#   tpm.sh wipe I                  stop, and forget keys and seeds: the next start is another TPM
#   tpm.sh enrol I                 create EK and AK, prove that they share a TPM, enrol the AK under the host's name and address
#   tpm.sh tamper I [PCR]          extend a PCR at run time (10): untrusted until the next reboot
#   tpm.sh swap I NAME [FILE]      from its next start on, host I has FILE as its NAME (bios, kernel, libvirtd); no FILE: the good one
#   tpm.sh bless NAME FILE         add FILE to the known-good NAMEs
#   tpm.sh serve [ARG..] | unserve start | stop attestd.py, a machine of its own at $NET.2 with a certificate of its own CA
#   tpm.sh unplug | plug           cut | restore the attestation server's network
#   tpm.sh knob [JSON]             set the server's test knobs (see attestd.py); none: clear
#   tpm.sh poll HOST..             ask the server from the manager;  why HOST: the last verdict on HOST, with its reason
# The manager trusts $LAB/attest/cacert.pem for https://$NET.2:8443 (also by the name "attest").
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")"); LABSH=${LABSH:-$HERE/lab.sh}
PFX=${PFX:-tplab}; LAB=${LAB:-/var/lib/$PFX}; N=${N:-3}; NET=${NET:-10.77.0}
export PFX LAB N NET
ATT=$LAB/attest; PORT=2321; EK=0x81010001; AK=0x81010002     # attestd.py, too, knows AK and the bank, sha256
COMPONENTS="0:bios 4:kernel 10:libvirtd"                     # PCR:NAME, each extended exactly once
declare -A FILE=([bios]=/usr/share/seabios/bios-256k.bin [kernel]=/proc/version [libvirtd]=/usr/sbin/libvirtd)
die() { echo "tpm.sh: $*" >&2; exit 1; }
inhost() { "$LABSH" exec "$@"; }
# a script inside host I: the tools need the control port (PORT+1), too, which listens only on the host's own 127.0.0.1
tpm() { local i=$1; shift; inhost "$i" env TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$PORT" sh -ec "$*"; }
sha() { sha256sum <"$1" | cut -c1-64; }

start() { # --daemon returns when both ports listen.  Without not-need-init the TPM would wait for an INIT on the control port.
  local i=$1 d=$LAB/h$1/tpm c f x=; mkdir -p "$d"
  for c in $COMPONENTS; do f=$LAB/h$i/boot/${c#*:}; [ -e "$f" ] || f=${FILE[${c#*:}]}; x+=" ${c%:*}:sha256=$(sha "$f")"; done
  tpm "$i" "swtpm socket --tpm2 --daemon --tpmstate dir=$d --flags not-need-init,startup-clear --log file=$d/log,level=1,truncate \
    --server type=tcp,port=$PORT,bindaddr=0.0.0.0 --ctrl type=tcp,port=$((PORT+1)) --pid file=/run/swtpm.pid; tpm2_pcrextend$x"; }
stop() { # the host's /run is new at each boot of the host, so the pid in it is never a stale one
  inhost "$1" sh -c "p=\$(cat /run/swtpm.pid) && kill -${2:-KILL} \$p || exit 0; [ ${2:-KILL} = KILL ] || exit 0
    while kill -0 \$p; do sleep 0.01; done; rm /run/swtpm.pid" 2>/dev/null || true; }
reboot() { stop "$1"; start "$1"; }
wipe() { stop "$1"; rm -rf "$LAB/h$1/tpm"; }
enrol() { # noda: without it each power cut counts as a failed login, and the third locks the AK (TPM_RC_LOCKOUT)
  local i=$1 d=$LAB/h$1/tpm/enrol n; rm -rf "$d"; mkdir -p "$d" "$ATT/enrolled"
  tpm "$i" "cd $d; for k in $EK $AK; do tpm2_evictcontrol -Q -C o -c \$k 2>/dev/null || :; done
    tpm2_createek -Q -c $EK -G ecc -u ek.pub
    tpm2_createprimary -Q -C e -g sha256 -G ecc256:ecdsa-sha256:null -c ak.ctx \
      -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda'
    tpm2_evictcontrol -Q -C o -c ak.ctx $AK; tpm2_flushcontext -t
    tpm2_readpublic -Q -c $AK -f tss -o ak.pub -n ak.name"
  # the server's side: only a TPM that holds both this EK and this AK can decrypt the secret
  head -c 32 /dev/urandom >"$d/secret"
  tpm2_makecredential -Q -T none -e "$d/ek.pub" -s "$d/secret" -n "$(od -An -v -tx1 "$d/ak.name" | tr -d ' \n')" -o "$d/cred"
  tpm "$i" "cd $d; tpm2_startauthsession --policy-session -S s.ctx; tpm2_policysecret -Q -S s.ctx -c e
    tpm2_activatecredential -Q -c $AK -C $EK -i cred -o secret.out -P session:s.ctx; tpm2_flushcontext s.ctx"
  cmp "$d/secret" "$d/secret.out"
  for n in "h$i" "$NET.$((10+i))"; do       # an administrator may add the host by its name or by its address
    printf '{"addr": "%s", "port": %d, "ak": "%s"}\n' "$NET.$((10+i))" $PORT "$(od -An -v -tx1 "$d/ak.pub" | tr -d ' \n')" >"$d/json"
    mv "$d/json" "$ATT/enrolled/$n.json"; done; }
tamper() { tpm "$1" "tpm2_pcrextend ${2:-10}:sha256=$(head -c 32 /dev/urandom | sha256sum | cut -c1-64)"; }
swap() { mkdir -p "$LAB/h$1/boot"; if [ -n "${3:-}" ]; then cp "$3" "$LAB/h$1/boot/$2"; else rm -f "$LAB/h$1/boot/$2"; fi; }
bless() { sha "$2" >>"$ATT/good-$1"; policy; }
policy() { # the server reads these files for each poll: replaced whole, never seen half written
  local c s='{'; { for c in $COMPONENTS; do
    printf '%s"%s": {"what": "%s", "good": [%s]}' "$s" "${c%:*}" "${c#*:}" "$(sed 's/.*/"&"/' "$ATT/good-${c#*:}" | paste -sd,)"; s=', '
  done; echo '}'; } >"$ATT/policy.new"; mv "$ATT/policy.new" "$ATT/policy.json"; }
knob() { printf '%s\n' "${1:-{\}}" >"$ATT/knobs.new"; mv "$ATT/knobs.new" "$ATT/knobs.json"; }
certificates() { # of a CA that signs nothing else
  [ ! -e "$ATT/cert.pem" ] || return 0
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$PFX attestation CA" -days 3650 \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$ATT/cakey.pem" -out "$ATT/cacert.pem" 2>/dev/null
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=attest -days 3650 \
    -CA "$ATT/cacert.pem" -CAkey "$ATT/cakey.pem" -addext "subjectAltName=DNS:attest,IP:$NET.2" \
    -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth -keyout "$ATT/key.pem" -out "$ATT/cert.pem" 2>/dev/null; }
serve() { # its namespace has lab.sh's prefix, so lab.sh down removes it, too
  local n=$PFX-att
  unserve
  if [ ! -e "/run/netns/$n" ]; then ip netns add "$n"; ip -n "$n" link set lo up
    ip -n "$PFX-mgr" link add vatt type veth peer name eth0 netns "$n"; ip -n "$PFX-mgr" link set vatt master br0 up
    ip -n "$n" addr add "$NET.2/24" dev eth0; ip -n "$n" link set eth0 up; fi
  certificates
  setsid ip netns exec "$n" /usr/bin/python3 "$HERE/attestd.py" serve --dir "$ATT" --addr "$NET.2" \
    --cert "$ATT/cert.pem" --key "$ATT/key.pem" "$@" >>"$ATT/log" 2>&1 </dev/null &
  for _ in $(seq 600); do [ ! -s "$ATT/pid" ] || return 0; sleep 0.05; done; tail -3 "$ATT/log" >&2; die "attestd.py does not start"; }
unserve() { # only if that process still is the server
  local p; p=$(cat "$ATT/pid" 2>/dev/null) || return 0
  if tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -qF -- "--dir $ATT "; then
    kill -KILL "$p"; for _ in $(seq 500); do [ -e "/proc/$p" ] || break; sleep 0.02; done; fi
  rm -f "$ATT/pid"; }
unplug() { ip -n "$PFX-mgr" link set vatt down; }; plug() { ip -n "$PFX-mgr" link set vatt up; }
poll() { local h; h=$(printf '"%s",' "$@")
  "$LABSH" mgr curl -sS -m 60 --cacert "$ATT/cacert.pem" -d "{\"count\": $#, \"hosts\": [${h%,}]}" \
    "https://$NET.2:8443/AttestationService/resources/PollHosts"; echo; }
why() { grep "\"host\": \"$1\"" "$ATT/verdicts.log" | tail -1; }
up() { local i c p=; mkdir -p "$ATT/enrolled"; chmod 755 "$ATT"
  for c in $COMPONENTS; do [ -e "$ATT/good-${c#*:}" ] || sha "${FILE[${c#*:}]}" >"$ATT/good-${c#*:}"; done; policy; rm -f "$ATT/knobs.json"
  for i in $(seq "$N"); do { reboot "$i"; [ -e "$ATT/enrolled/h$i.json" ] || enrol "$i"; } & p+=" $!"; done
  for i in $p; do wait "$i"; done; serve "$@"; plug; }
down() { local i; unserve; for i in $(seq "$N"); do stop "$i"; done; ip netns del "$PFX-att" 2>/dev/null || true; }

c=${1:-}; shift || true
case $c in
  up|down|start|stop|reboot|wipe|enrol|tamper|swap|bless|policy|serve|unserve|unplug|plug|knob|poll|why) $c "$@";;
  *) sed -n '2,17p' "$0"; exit 2;;
esac
