#!/usr/bin/env bash
# Several libvirt hosts, a storage server and a manager's place, on one machine.  Needs root and the packages of tests/packages.
# Host i = netns+mntns+utsns+pidns+ipcns $PFX-h<i>, address $NET.(10+i), name h<i>, with a libvirtd of its own.
# The manager's namespace is $PFX-mgr (address $NET.1, holds the bridge); qemu-nbd serves disks in $PFX-sto ($NET.3).
#   lab.sh up | down | status      whole lab of N hosts (3); down also clears what a half-started up left
#   lab.sh mgr CMD...              run CMD in the manager's network namespace
#   lab.sh exec I CMD...           run CMD inside host I (all its namespaces)
#   lab.sh crash I | boot I        power host I off (everything in it dies) | on again
#   lab.sh stopd I [SIG] | startd I   kill | start only libvirtd of host I (VMs stay)
#   lab.sh freeze I | thaw I       stop libvirtd of host I in its tracks (its port still accepts) | let it go on
#   lab.sh cut I | join I          unplug | replug host I's network
#   lab.sh deny I OP [off] | slow I OP SECS|0   hook knobs of host I (OP: prepare, migrate, start, ...)
#   lab.sh heal                    every host on, thawed, joined, with its libvirtd, without knobs and without guests
#   lab.sh uri I [tls|unix]        tls: as the manager connects; unix: from this machine, past every check
#   lab.sh disk NAME [MiB]         serve a writable disk over NBD (kept if it is there); prints its URL
#   lab.sh vmxml NAME [plain|disk|busy|pinned|unsafe] [MiB]   a VM's XML on stdout, to try libvirt without a manager
#   lab.sh forward PORT MGRPORT    127.0.0.1:PORT of this machine (0: a free one; printed) leads to the same of the manager's namespace
# Environment: PFX names the lab (letters and digits), LAB its folder, NET its /24, N its hosts,
# KEEPALIVE the seconds between libvirtd's keepalives.  Labs with another PFX and LAB do not touch each other.
#
# Who can open what (rule HOSTILE).  The control CA signs the hosts' libvirtd certificates and the manager's client
# certificate, nothing else; libvirtd lets in CN=manager alone, and only over TLS.  QEMU's migration certificates
# come from a CA of their own, so what a failed host holds opens nobody's libvirtd.
set -euo pipefail
SELF=$(readlink -f "$0"); HERE=$(dirname "$SELF")
PFX=${PFX:-tplab}; LAB=${LAB:-/var/lib/$PFX}; NET=${NET:-10.77.0}; N=${N:-3}; KEEPALIVE=${KEEPALIVE:-5}
export PFX LAB NET N KEEPALIVE
die() { echo "lab.sh: $*" >&2; exit 1; }
[[ $PFX =~ ^[a-z][a-z0-9]{0,9}$ ]] || die "PFX must be up to 10 lower case letters and digits, not '$PFX'"
[[ $NET =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "NET must be three numbers as in 10.77.0, not '$NET'"
[[ $N =~ ^[0-9]+$ && $N -ge 1 && $N -le 64 ]] || die "N must be 1 to 64, not '$N'"
[[ $LAB == /* && ${#LAB} -le 80 ]] || die "LAB must be an absolute path of at most 80 characters (it holds unix sockets): $LAB"
ns() { echo "$PFX-h$1"; }
ip4() { echo "$NET.$((10+$1))"; }
initpid() { cat "$LAB/h$1/init.pid" 2>/dev/null; }
alive() { # the command line is compared: a process id may have been given to somebody else since
  local p; p=$(initpid "$1") && [ -n "$p" ] && tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -q "__init $1 $PFX $LAB "; }
inhost() { local i=$1 p; shift; p=$(initpid "$i") || die "host $i is off"; nsenter -t "$p" -m -u -n -p -i "$@"; }
mgr() { ip netns exec "$PFX-mgr" "$@"; }
uri() { case ${2:-tls} in
  unix) echo "qemu+unix:///system?socket=$LAB/h$1/run/libvirt-sock";;
  tls)  echo "qemu+tls://$(ip4 "$1")/system?pkipath=$LAB/pki/client";;
  *)    die "uri: tls or unix, not $2";; esac; }

ca() { # NAME: a CA of its own in pki/NAME
  local d=$LAB/pki/$1; [ -e "$d/cacert.pem" ] && return; mkdir -p "$d"
  openssl ecparam -genkey -name prime256v1 -noout -out "$d/cakey.pem"
  openssl req -x509 -new -key "$d/cakey.pem" -subj "/CN=$PFX $1 CA" -days 3650 -out "$d/cacert.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null; }
cert() { # CA CN SAN USE KEY CERT: a key and its certificate
  local d=$LAB/pki/$1 x; [ -e "$6" ] && return; x=$(mktemp)
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$4" "$3" >"$x"
  openssl ecparam -genkey -name prime256v1 -noout -out "$5"
  openssl req -new -key "$5" -subj "/CN=$2" 2>/dev/null |
    openssl x509 -req -CA "$d/cacert.pem" -CAkey "$d/cakey.pem" -set_serial "0x$(openssl rand -hex 8)" -days 3650 -extfile "$x" -out "$6" 2>/dev/null
  rm -f "$x"; }
pki() { # the manager's client certificate, and each host's two sets, in the folders that libvirt and QEMU want
  local i d san
  ca control; ca migration; mkdir -p "$LAB/pki/client"; cp "$LAB/pki/control/cacert.pem" "$LAB/pki/client/"
  cert control manager DNS:manager clientAuth "$LAB/pki/client/clientkey.pem" "$LAB/pki/client/clientcert.pem"
  for i in $(seq "$N"); do
    d=$LAB/h$i/etc/pki; mkdir -p "$d/qemu"; san="DNS:h$i,IP:$(ip4 "$i")"
    cp "$LAB/pki/control/cacert.pem" "$d/"; cp "$LAB/pki/migration/cacert.pem" "$d/qemu/ca-cert.pem"
    cert control "h$i" "$san" serverAuth "$d/serverkey.pem" "$d/servercert.pem"
    cert migration "h$i" "$san" serverAuth "$d/qemu/server-key.pem" "$d/qemu/server-cert.pem"
    cert migration "h$i" "$san" clientAuth "$d/qemu/client-key.pem" "$d/qemu/client-cert.pem"; done; }

names() { local j; echo "127.0.0.1 localhost"; echo "$NET.1 manager"; echo "$NET.2 attest"; echo "$NET.3 storage"
  for j in $(seq "$N"); do echo "$(ip4 "$j") h$j"; done; }
mkhost() { # files of host i
  local i=$1 d=$LAB/h$1 u; mkdir -p "$d"/{etc/hooks,run,lib,log,cache}
  printf -v u '%08x-0000-4000-8000-%012x' $((0x10770000+i)) "$i"
  tr -d - <<<"$u" >"$d/machine-id"; names >"$d/hosts"
  # libvirtd resolves its compiled-in default user even when qemu.conf names another
  { grep -v ^libvirt-qemu: /etc/passwd; echo "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin"; } >"$d/passwd"
  { grep -v ^libvirt-qemu: /etc/group; echo "libvirt-qemu:x:64055:"; } >"$d/group"
  cp /etc/libvirt/libvirt*.conf "$d/etc/" 2>/dev/null || true
  # a hook must exist BEFORE libvirtd starts; test knobs: files deny-<op> and slow-<op> beside it
  cat >"$d/etc/hooks/qemu" <<'X'
#!/bin/sh
cat >/dev/null; d=/etc/libvirt/hooks
echo "$(date +%s.%N) $*" >>/var/log/libvirt/hook.log
[ -e "$d/slow-$2" ] && sleep "$(cat "$d/slow-$2")"
if [ -e "$d/deny-$2" ]; then echo "policy: $(hostname) refuses $2 of $1" >&2; exit 1; fi
exit 0
X
  chmod 755 "$d/etc/hooks/qemu"
  cat >"$d/etc/libvirtd.conf" <<X
listen_tcp = 0
listen_tls = 1
listen_addr = "0.0.0.0"
auth_tls = "none"
tls_allowed_dn_list = ["CN=manager"]
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
key_file = "/etc/libvirt/pki/serverkey.pem"
cert_file = "/etc/libvirt/pki/servercert.pem"
ca_file = "/etc/libvirt/pki/cacert.pem"
host_uuid = "$u"
max_clients = 500
max_anonymous_clients = 500
max_client_requests = 20
keepalive_interval = $KEEPALIVE
keepalive_count = 5
log_outputs = "${LOGLEVEL:-3}:file:/var/log/libvirt/libvirtd.log"
X
  cat >"$d/etc/qemu.conf" <<X
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
migration_address = "0.0.0.0"
migration_host = "$(ip4 "$i")"
migrate_tls_x509_cert_dir = "/etc/libvirt/pki/qemu"
migrate_tls_x509_verify = 1
keepalive_interval = $KEEPALIVE
keepalive_count = 5
X
}

init() { # PID 1 of host i; runs inside the new namespaces
  local i=$1 d=$LAB/h$1 m; hostname "h$i"
  mount -t proc proc /proc
  mount -t tmpfs -o mode=755 tmpfs /run; mount -t tmpfs -o mode=700 tmpfs "$LAB/pki"      # the CAs' keys are not this host's
  for m in run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt etc:/etc/libvirt; do
    mkdir -p "${m#*:}"; mount --bind "$d/${m%%:*}" "${m#*:}"; done
  for m in machine-id passwd group hosts; do mount --bind "$d/$m" "/etc/$m"; done
  trap 'exit 0' TERM; trap : CHLD
  sleep infinity & while :; do wait $! || true; done; }      # it reaps whatever is orphaned
boot() { local i=$1 d=$LAB/h$1 n p c=; n=$(ns "$i")
  alive "$i" && return; rm -rf "$d/run"; mkdir -p "$d/run"
  setsid ip netns exec "$n" unshare --mount --uts --ipc --pid --fork --kill-child \
    bash "$SELF" __init "$i" "$PFX" "$LAB" . >"$d/init.log" 2>&1 </dev/null & p=$!
  for _ in $(seq 500); do c=$(tr -d ' ' 2>/dev/null <"/proc/$p/task/$p/children") || true; [ -n "$c" ] && break; sleep 0.02; done
  [ -n "$c" ] || die "host $i did not start: $(cat "$d/init.log")"
  echo "$c" >"$d/init.pid"
  for _ in $(seq 500); do
    grep -q " /etc/hosts " "/proc/$c/mountinfo" 2>/dev/null && break
    [ -e "/proc/$c" ] || die "host $i ended while it started: $(cat "$d/init.log")"; sleep 0.02; done
  startd "$i"; }
startd() { # env -i: the errors of hooks print libvirtd's environment
  inhost "$1" sh -c "ulimit -n \$(ulimit -Hn)
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C libvirtd -d -l -p /run/libvirtd.pid" || die "libvirtd of host $1 does not start"
  for _ in $(seq 300); do
    timeout 10 virsh -q -c "$(uri "$1" unix)" uri >/dev/null 2>&1 && return
    inhost "$1" sh -c "kill -0 \$(cat /run/libvirtd.pid)" 2>/dev/null || break; sleep 0.1; done
  tail -3 "$LAB/h$1/log/libvirtd.log" >&2; die "libvirtd of host $1 does not answer"; }
stopd() { # after KILL the process must be gone: the next libvirtd wants its pid file's lock
  inhost "$1" sh -c "p=\$(cat /run/libvirtd.pid); kill -${2:-KILL} \$p
    case ${2:-KILL} in STOP|CONT) ;; *) n=0; while kill -0 \$p 2>/dev/null && [ \$n -lt 1000 ]; do sleep 0.02; n=\$((n+1)); done;; esac"; }
freeze() { stopd "$1" STOP; }; thaw() { stopd "$1" CONT; }
crash() { local p; p=$(initpid "$1") || return 0; alive "$1" && kill -KILL "$p"
  for _ in $(seq 500); do [ -e "/proc/$p" ] || break; sleep 0.02; done; rm -f "$LAB/h$1/init.pid"; }

heal() { local i u n; for i in $(seq "$N"); do u=$(uri "$i" unix)
    rm -f "$LAB/h$i/etc/hooks/"{deny,slow}-*; ip -n "$PFX-mgr" link set "v$i" up
    if alive "$i"; then stopd "$i" CONT 2>/dev/null || true; timeout 10 virsh -q -c "$u" uri >/dev/null 2>&1 || startd "$i"
    else boot "$i"; fi
    for n in $(virsh -q -c "$u" list --uuid); do virsh -q -c "$u" destroy "$n" >/dev/null 2>&1 || true; done; done; }

disk() { # one qemu-nbd per disk; any number of clients, since a migration opens it twice
  local f=$LAB/storage/$1.raw port
  [[ $1 =~ ^[A-Za-z0-9._-]{1,64}$ ]] || die "disk: odd name '$1'"
  mkdir -p "$LAB/storage"; exec 8>"$LAB/storage/.lock"; flock 8
  if [ ! -e "$f.port" ]; then
    port=$(cat "$LAB/storage/.next" 2>/dev/null || echo 10809); echo $((port+1)) >"$LAB/storage/.next"
    truncate -s "${2:-8}M" "$f"
    ip netns exec "$PFX-sto" qemu-nbd --fork --persistent --shared=0 -f raw -x "$1" -b "$NET.3" -p "$port" \
      --pid-file="$f.pid" "$f" >/dev/null </dev/null 8>&- || die "qemu-nbd does not start"
    echo "$port" >"$f.port"; fi
  echo "nbd://$NET.3:$(cat "$f.port")/$1"; exec 8>&-; }
forward() { local r; r=$(mktemp -u "$LAB/forward.XXXXXX")
  setsid /usr/bin/python3 "$HERE/relay.py" "$1" "$PFX-mgr" "$2" "$r" >"$r.log" 2>&1 </dev/null &
  for _ in $(seq 1500); do
    if [ -s "$r" ]; then cat "$r"; return; fi
    kill -0 $! 2>/dev/null || break; sleep 0.02; done
  die "cannot forward port $1: $(tail -1 "$r.log")"; }

segment() { # NAME LINK ADDRESS: a namespace on the bridge
  [ ! -e "/run/netns/$1" ] || return 0
  ip netns add "$1"; ip -n "$1" link set lo up
  ip -n "$PFX-mgr" link add "$2" type veth peer name eth0 netns "$1"; ip -n "$PFX-mgr" link set "$2" master br0 up
  ip -n "$1" addr add "$3/24" dev eth0; ip -n "$1" link set eth0 up; }
up() { local i; [ "$(id -u)" = 0 ] || die "needs root"
  mkdir -p "$LAB" /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; : >"$LAB/.lab"; chmod 755 "$LAB"
  [ -e /etc/machine-id ] || : >/etc/machine-id
  mkdir -p "/etc/netns/$PFX-mgr"; names >"/etc/netns/$PFX-mgr/hosts"            # ip netns exec binds it over /etc/hosts
  if [ ! -e "/run/netns/$PFX-mgr" ]; then ip netns add "$PFX-mgr"; ip -n "$PFX-mgr" link set lo up
    ip -n "$PFX-mgr" link add br0 type bridge; ip -n "$PFX-mgr" addr add "$NET.1/24" dev br0; ip -n "$PFX-mgr" link set br0 up; fi
  segment "$PFX-sto" vsto "$NET.3"; pki
  for i in $(seq "$N"); do
    segment "$(ns "$i")" "v$i" "$(ip4 "$i")"; mkhost "$i"
    # QEMU's capabilities cache: probe once, then share
    if [ "$i" -gt 1 ] && [ ! -d "$LAB/h$i/cache/qemu" ] && [ -d "$LAB/h1/cache/qemu" ]; then
      cp -a "$LAB/h1/cache/qemu" "$LAB/h$i/cache/"; fi
    boot "$i"; virsh -q -c "$(uri "$i" unix)" domcapabilities --virttype qemu >/dev/null || die "QEMU of host $i does not answer"
  done; }
down() { # every process of the lab lives in one of its network namespaces, so this finds them without any pid file
  local n
  for n in $(ip netns list | awk '{print $1}' | grep "^$PFX-" || true); do
    for _ in $(seq 500); do
      ip netns pids "$n" | xargs -r kill -KILL 2>/dev/null || true
      [ -n "$(ip netns pids "$n")" ] || break; sleep 0.02; done
    ip netns del "$n"; rm -rf "/etc/netns/$n"; done
  rm -rf "/etc/netns/$PFX-mgr"; rmdir /etc/netns 2>/dev/null || true
  [ ! -e "$LAB/.lab" ] || rm -rf "$LAB"; }
status() { local i u; for i in $(seq "$N"); do u=$(uri "$i" unix)
    if alive "$i"; then echo "h$i $(ip4 "$i") $(timeout 5 virsh -q -c "$u" hostname 2>&1 | tail -1) vms=$(timeout 5 virsh -q -c "$u" list --name 2>/dev/null | grep -c . || true)"
    else echo "h$i $(ip4 "$i") off"; fi; done; }

# disk: writable, over NBD: migrates.  busy: boots a 512-byte guest that dirties 16 MiB 18 times a second; with
# --bandwidth 1 its migration never ends.  pinned: QEMU refuses to migrate it (code 55).  unsafe: libvirt does (code 81)
vmxml() { local x='' f u k=${2:-plain}
  case $k in
  plain) ;;
  disk) u=$(disk "$1"); f=${u#nbd://*:}
    x="<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='$1'><host name='$NET.3' port='${f%/*}'/></source><target dev='vda' bus='virtio'/></disk>";;
  busy) f=$LAB/storage/busy.img; busyimage "$f"
    x="<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$f'/><target dev='vda' bus='virtio'/><readonly/></disk>";;
  pinned) x="<shmem name='$1'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>";;
  unsafe) f=$LAB/storage/$1.local; [ -e "$f" ] || truncate -s 1M "$f"
    x="<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$f'/><target dev='vda' bus='virtio'/></disk>";;
  *) die "vmxml: plain, disk, busy, pinned or unsafe, not $k";;
  esac
  cat <<X
<domain type='qemu'><name>$1</name><memory unit='MiB'>${3:-32}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>
<memballoon model='none'/>$x</devices></domain>
X
}
BUSY=31c08ed8e4920c02e692fa660f0116587c0f20c00c010f22c0bb08008ec324fe0f22c031db8ec3664266bf0000200026676689176681c7001000006681ff0000200172ebfbf4ebc20000000000000000ffff00000092cf000f00487c
busyimage() { [ ! -e "$1" ] || return 0; mkdir -p "${1%/*}"; truncate -s 8M "$1"
  # shellcheck disable=SC2001  # & is sed's
  printf '%b' "$(sed 's/../\\x&/g' <<<"$BUSY")" | dd of="$1" conv=notrunc status=none
  printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none; }

cmd=${1:-}; shift || true
case $cmd in
  up|down|status|mgr|boot|crash|stopd|startd|freeze|thaw|heal|uri|disk|vmxml|forward) $cmd "$@";;
  __init) init "$1";;
  exec) inhost "$@";;
  deny) if [ "${3:-on}" = off ]; then rm -f "$LAB/h$1/etc/hooks/deny-$2"; else : >"$LAB/h$1/etc/hooks/deny-$2"; fi;;
  slow) if [ "${3:-0}" = 0 ]; then rm -f "$LAB/h$1/etc/hooks/slow-$2"; else echo "$3" >"$LAB/h$1/etc/hooks/slow-$2"; fi;;
  cut) ip -n "$PFX-mgr" link set "v$1" down;;
  join) ip -n "$PFX-mgr" link set "v$1" up;;
  *) sed -n '2,24p' "$SELF"; exit 2;;
esac
