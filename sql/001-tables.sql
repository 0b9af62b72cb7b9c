-- Tables. Each step is one transaction, applied once, in the order of the numbers; a step that has landed is never edited.
-- Everything lives in the schema that comes first in the search path (the daemon sets it to `trustpool`).

create table data_centers (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name <> '' and length(name) <= 255),
    description text not null default '',
    created_at timestamptz not null default clock_timestamp()
);

create table clusters (
    id uuid primary key default gen_random_uuid(),
    data_center_id uuid not null references data_centers,
    name text not null unique check (name <> '' and length(name) <= 255),
    description text not null default '',
    comment text not null default '',
    cpu_id text not null default '',
    version_major integer not null default 3,
    version_minor integer not null default 6,
    trusted_service boolean not null default false,
    on_error text not null default 'migrate'
        check (on_error in ('migrate', 'do_not_migrate', 'migrate_highly_available')),
    created_at timestamptz not null default clock_timestamp()
);

create domain host_status as text
    check (value in ('down', 'initializing', 'up', 'non_operational', 'non_responsive', 'preparing_for_maintenance', 'maintenance'));

create table hosts (
    id uuid primary key default gen_random_uuid(),
    cluster_id uuid not null references clusters,
    name text not null unique check (name <> '' and length(name) <= 255),
    address text not null check (address <> '' and length(address) <= 255),
    attestation_id text not null check (attestation_id <> '' and length(attestation_id) <= 255),
    comment text not null default '',
    status host_status not null default 'maintenance',
    reason text not null default '',            -- untrusted, not_attested, expired, identity, connection …, '' when there is none
    detail text not null default '',            -- a sentence for the administrator
    activating boolean not null default false,  -- an administrator's activation waits for its answer
    distrusted boolean not null default false,  -- an `untrusted` answer that no activation answered `trusted` has cleared yet
    fenced boolean not null default false,      -- confirmed dead; when it comes back its domains are looked at for copies
    -- the connection (rules IDENTITY and NEWEST)
    libvirt_uuid uuid unique,                   -- pinned at the first connect
    generation bigint not null default 0,       -- number of the present or last connection
    connected boolean not null default false,
    listed boolean not null default false,      -- its domains were compared since it connected: until then nothing is placed
    connected_question bigint not null default 0, -- answers to questions up to this one are about an earlier connection, or were asked before the activation
    memory_mib bigint not null default 0,
    cpus integer not null default 0,
    machine text not null default '',           -- what QEMU's `pc` stands for there (pc-i440fx-7.2); '' unknown
    -- the verdict
    verdict text not null default 'unknown' check (verdict in ('unknown', 'trusted', 'untrusted')),
    verdict_reason text not null default '',
    verdict_detail text not null default '',
    question bigint not null default 0,         -- of the answer on record
    asked_at timestamptz,                       -- when the latest answered (or given up) question was asked
    valid_until timestamptz,                    -- of a trusted verdict
    unanswered_since timestamptz,               -- first question that the service answered without this host
    turned_bad_at timestamptz,                  -- when a verdict last made it non-operational (rule CALM)
    created_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50); -- every answer rewrites its row: room for that on the same page, and no index on what it changes
create unique index hosts_address on hosts (lower(address));
create unique index hosts_attestation_id on hosts (lower(attestation_id));
create index hosts_cluster on hosts (cluster_id);

create table instance_types (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    properties jsonb not null default '{}'
);

create table vm_templates (
    id uuid primary key default gen_random_uuid(),
    cluster_id uuid references clusters,
    name text not null unique,
    description text not null default '',
    trusted_service boolean not null default false,
    created_at timestamptz not null default clock_timestamp()
);

create domain vm_status as text
    check (value in ('down', 'wait_for_launch', 'up', 'paused', 'migrating', 'powering_down', 'unknown'));

create table vms (
    id uuid primary key default gen_random_uuid(),
    cluster_id uuid not null references clusters,
    template_id uuid references vm_templates,
    instance_type_id uuid references instance_types,
    name text not null unique check (name <> '' and length(name) <= 255),
    description text not null default '',
    comment text not null default '',
    memory_mib bigint not null default 1024 check (memory_mib between 4 and 16777216),
    cpus integer not null default 1 check (cpus between 1 and 512),
    priority integer not null default 1 check (priority between 0 and 100),
    display text not null default 'vnc' check (display in ('vnc', 'spice', 'none')),
    affinity text not null default 'migratable' check (affinity in ('migratable', 'user_migratable', 'pinned')),
    pinned_host_id uuid references hosts,
    trusted_host_flag boolean not null default false,
    origin text not null default 'trustpool',         -- where it came from
    created_in_trusted boolean not null default false, -- was its first cluster trusted
    machine text not null default '',         -- of the host that it was started on: its migrations need the same
    cpu_id text not null default '',          -- its cluster's when it was started: the same
    status vm_status not null default 'down',
    host_id uuid references hosts,            -- where it runs, or runs from while it migrates, or was last seen (unknown)
    target_host_id uuid references hosts,     -- where it is on its way to
    operation uuid,                           -- the operation under way
    status_detail text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    check ((status = 'migrating') = (target_host_id is not null)),
    check (status = 'down' or host_id is not null)
);
create index vms_host on vms (host_id);
create index vms_target on vms (target_host_id);
create index vms_cluster on vms (cluster_id);

create table vm_disks (
    vm_id uuid not null references vms on delete cascade,
    ordinal integer not null check (ordinal between 0 and 25),
    source text not null check (source <> '' and length(source) <= 4096), -- an absolute path, or nbd://HOST:PORT/EXPORT
    format text not null default 'raw' check (format in ('raw', 'qcow2')),
    bus text not null default 'virtio' check (bus in ('virtio', 'ide', 'scsi', 'sata')),
    readonly boolean not null default false,
    bootable boolean not null default false,
    primary key (vm_id, ordinal)
);

create table vm_nics (
    vm_id uuid not null references vms on delete cascade,
    ordinal integer not null check (ordinal between 0 and 25),
    name text not null default '',
    network text not null check (network <> '' and length(network) <= 255),
    mac text not null check (mac ~ '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'),
    model text not null default 'virtio' check (model in ('virtio', 'e1000', 'rtl8139')),
    primary key (vm_id, ordinal)
);

create table users (
    name text primary key,       -- admin@internal
    password text not null,      -- $scrypt$ln=15,r=8,p=1$SALT$HASH, base64
    created_at timestamptz not null default clock_timestamp()
);

create table audit_log (
    id bigint generated always as identity primary key,
    time timestamptz not null default clock_timestamp(),
    name text not null,            -- HOST_UNTRUSTED …: docs/events.md lists them
    severity text not null check (severity in ('normal', 'warning', 'error', 'alert')),
    description text not null,
    cluster_id uuid,
    host_id uuid,
    vm_id uuid,
    user_name text
);

-- Evacuation work belongs to the host: open while the row is here.
create table evacuations (
    host_id uuid primary key references hosts on delete cascade,
    why text not null,                     -- untrusted, not_attested, expired, maintenance, foreign_cluster
    all_vms boolean not null,              -- false: only the VMs that require trust
    opened_at timestamptz not null default clock_timestamp(),
    not_before timestamptz not null default clock_timestamp(), -- host_grace
    held boolean not null default false,   -- waits for an administrator (rule CALM)
    released boolean not null default false, -- an administrator let it go on: not held again
    leave_running boolean not null default false, -- maintenance: VMs that cannot move may stay
    waiting_reported boolean not null default false -- the event that there is no target has been written
);

-- What was tried for a VM while its host's evacuation is open.
create table evacuation_vms (
    host_id uuid not null references evacuations on delete cascade,
    vm_id uuid not null references vms on delete cascade,
    tried uuid[] not null default '{}',    -- targets that failed
    stays text,                            -- why it stays; it has been reported
    retry boolean not null default false,  -- it stays because targets failed: a host that comes up is one more
    primary key (host_id, vm_id)
);

-- Operations carry ids made by the caller, so that one whose answer was lost can be repeated.
create table operations (
    id uuid primary key,
    kind text not null check (kind in ('start', 'migrate', 'stop')),
    vm_id uuid not null references vms on delete cascade,
    host_id uuid not null references hosts on delete cascade, -- the host it places the VM on (stop: where it runs)
    source_id uuid references hosts on delete cascade,        -- migrate: where it comes from
    evacuation boolean not null default false,
    begun_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    outcome text check (outcome in ('done', 'failed')),
    detail text not null default '',
    paused boolean not null default false, -- migrate: the VM was paused when it began, and is afterwards
    gone uuid[] not null default '{}',     -- hosts that said during the operation that the domain stopped there
    seen uuid[] not null default '{}',     -- after a restart: hosts that list it as running,
    seen_paused uuid[] not null default '{}', -- as paused,
    missing uuid[] not null default '{}'   -- or not at all
);
create index operations_vm on operations (vm_id);
create index operations_open on operations (begun_at) where ended_at is null;

-- Domains that the manager did not place: reported once, never touched (rule HOSTILE).
create table foreign_domains (
    host_id uuid not null references hosts on delete cascade,
    domain_uuid uuid not null,
    name text not null,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (host_id, domain_uuid)
);

-- Numbers of questions and of connections (rule NEWEST).
create sequence questions;
create sequence generations;

-- What SQL needs to know of the configuration; written by the daemon at each start and reload.
create table settings (
    only_row boolean primary key default true check (only_row),
    host_grace interval not null default '60 s',
    expired_hosts text not null default 'keep' check (expired_hosts in ('keep', 'evacuate')),
    evacuation_max_share integer not null default 50 check (evacuation_max_share between 1 and 100), -- percent of a cluster
    evacuation_tries integer not null default 3,
    auth_timeout interval not null default '60 s'
);
insert into settings default values;
