-- What an event does to a host: the transition table, as data. Total: every status has a row for every event, for both
-- kinds of cluster. `apply_host_event` (004-hosts.sql) interprets it and is the only function that changes hosts.status.

create table host_events (
    event text primary key,
    meaning text not null
);
insert into host_events values
    ('connected', 'a connection to its libvirt was made, and is to the host that it was before'),
    ('disconnected', 'the connection was lost, or could not be made'),
    ('activated', 'an administrator activates it'),
    ('deactivated', 'an administrator sends it into maintenance'),
    ('emptied', 'the last VM that had to leave has left'),
    ('trusted', 'the attestation service vouches for it'),
    ('untrusted', 'the attestation service says that it is not what it should be'),
    ('unanswered', 'the attestation service answered, but not about this host, or the host was silent'),
    ('unanswered_expired', 'its verdict expired after questions that were unanswered'),
    ('silent', 'the attestation service did not answer, or its document was malformed'),
    ('expired', 'its verdict expired while the attestation service was silent'),
    ('identity', 'another certificate or another libvirt UUID than before (rule IDENTITY)'),
    ('confirmed_dead', 'an administrator confirms that it is dead (fence)'),
    ('manager_started', 'the manager starts: nothing is connected, no verdict is believed (rule CLOSED)'),
    ('copy_found', 'a host that was confirmed dead came back with a VM still running');

create table host_transition (
    trusted boolean not null,              -- the cluster's trusted_service
    status host_status not null,
    event text not null references host_events,
    keeps_reasons text[] not null,         -- a host with one of these reasons keeps it, and gets kept_status instead
    kept_status host_status,               -- null: to_status
    to_status host_status not null,
    to_reason text,                        -- null: the reason stays
    empties text not null check (empties in ('no', 'now', 'grace', 'configured')),
        -- grace: host_grace after the first unanswered question; configured: if expired_hosts = evacuate
    refusal text,                          -- not null: the administrator is told this instead (%s: the host's name)
    comment text not null,
    primary key (trusted, status, event)
);

-- Rows that read the same for several statuses, or for both kinds of cluster, are written once. In to_status, '=' is
-- "stays". Reasons: untrusted, not_attested, expired, identity, connection, copy.
insert into host_transition
select t.trusted, s.status, r.event, r.keeps_reasons, r.kept_status, case r.to_status when '=' then s.status else r.to_status end,
       r.to_reason, r.empties, r.refusal, r.comment
from (values
    -- connection
    ('{t}'::boolean[], '{initializing}'::text[], 'connected', '{}'::text[], null::text, '=', null::text, 'no', null::text,
        'it is asked about next; what was known against it stays'),
    ('{t}', '{up}', 'connected', '{}', null, 'initializing', null, 'no', null,
        'a lost connection may have been a reboot: no verdict until it has been asked again (rule CLOSED)'),
    ('{t}', '{non_operational}', 'connected', '{untrusted,identity,copy}', 'non_operational', 'initializing', null, 'no', null,
        'asked again from the start, unless only an administrator can clear its reason'),
    ('{t}', '{non_responsive}', 'connected', '{untrusted,identity,copy}', null, 'initializing', '', 'no', null,
        'connected again means asked again; distrust survives the reconnect'),
    ('{t}', '{down}', 'connected', '{untrusted,identity}', null, 'initializing', '', 'no', null,
        'a host that was confirmed dead is back: its domains are compared, then it is asked about'),
    ('{f}', '{initializing,up,non_responsive,down}', 'connected', '{identity,copy}', 'non_operational', 'up', '', 'no', null,
        'a cluster that is not trusted needs no verdict'),
    ('{f}', '{non_operational}', 'connected', '{identity,copy}', 'non_operational', 'up', '', 'no', null,
        'up again, unless only an administrator can clear its reason'),
    ('{t,f}', '{preparing_for_maintenance,maintenance}', 'connected', '{}', null, '=', null, 'no', null,
        'maintenance ends by activation only'),
    ('{t,f}', '{initializing,up,non_operational,preparing_for_maintenance}', 'disconnected', '{untrusted,identity,copy}', null,
        'non_responsive', 'connection', 'no', null, 'nobody knows what it does now; its VMs are unknown'),
    ('{t,f}', '{non_responsive}', 'disconnected', '{}', null, '=', null, 'no', null, 'it is that already'),
    ('{t,f}', '{maintenance,down}', 'disconnected', '{}', null, '=', null, 'no', null, 'nothing runs there'),
    -- identity: the same everywhere
    ('{t,f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'identity', '{}', null,
        'non_operational', 'identity', 'no', null, 'it is not the host that was attested; an alarm, and an administrator decides'),
    -- what an administrator does
    ('{t,f}', '{maintenance,non_operational,down,initializing,non_responsive}', 'activated', '{}', null, 'initializing', '', 'no', null,
        'it is asked about; distrust is cleared by the answer, not by the activation'),
    ('{t,f}', '{up}', 'activated', '{}', null, '=', null, 'no', 'Host %s is up already.', 'nothing to do'),
    ('{t,f}', '{preparing_for_maintenance}', 'activated', '{}', null, '=', null, 'no',
        'Host %s is preparing for maintenance. Wait until it is in maintenance, then activate it.', 'its VMs are leaving'),
    ('{t,f}', '{initializing,up,non_operational,non_responsive,down}', 'deactivated', '{untrusted,identity}', null,
        'preparing_for_maintenance', '', 'no', null, 'all its VMs leave (deactivate_host opens the work)'),
    ('{t,f}', '{preparing_for_maintenance}', 'deactivated', '{}', null, '=', null, 'no', null, 'it is on its way'),
    ('{t,f}', '{maintenance}', 'deactivated', '{}', null, '=', null, 'no', 'Host %s is in maintenance already.', 'nothing to do'),
    ('{t,f}', '{preparing_for_maintenance}', 'emptied', '{}', null, 'maintenance', null, 'no', null, 'that is what it waited for'),
    ('{t,f}', '{initializing,up,non_operational,non_responsive,maintenance,down}', 'emptied', '{}', null, '=', null, 'no', null,
        'being empty changes nothing'),
    ('{t,f}', '{non_responsive}', 'confirmed_dead', '{}', null, 'down', '', 'no', null, 'its VMs are down and may start elsewhere'),
    ('{t,f}', '{initializing,up,non_operational,preparing_for_maintenance,maintenance,down}', 'confirmed_dead', '{}', null, '=', null, 'no',
        'Host %s is not non-responsive. Only a host whose connection is lost can be confirmed dead.', 'a connected host is not dead'),
    -- verdicts in trusted clusters
    ('{t}', '{initializing}', 'trusted', '{untrusted,identity,copy}', 'non_operational', 'up', '', 'no', null,
        'up; but untrusted needs an activation that is answered `trusted`, identity and a copy an administrator'),
    ('{t}', '{up}', 'trusted', '{}', null, '=', null, 'no', null, 'its life is extended'),
    ('{t}', '{non_operational}', 'trusted', '{untrusted,identity,copy}', 'non_operational', 'up', '', 'no', null, 'silence and expiry are over'),
    ('{t}', '{non_responsive,preparing_for_maintenance,maintenance,down}', 'trusted', '{}', null, '=', null, 'no', null, 'recorded'),
    ('{t}', '{initializing,up,non_operational}', 'untrusted', '{}', null, 'non_operational', 'untrusted', 'now', null,
        'a failed host takes no VMs and its VMs leave'),
    ('{t}', '{non_responsive}', 'untrusted', '{}', null, '=', 'untrusted', 'no', null,
        'the reason is recorded and acted on at the reconnect'),
    ('{t}', '{preparing_for_maintenance,maintenance,down}', 'untrusted', '{}', null, '=', null, 'no', null, 'recorded'),
    ('{t}', '{initializing}', 'unanswered', '{untrusted,identity,copy}', null, 'non_operational', 'not_attested', 'grace', null,
        'a host that hides from the service is emptied, after a grace period (rule CALM)'),
    ('{t}', '{up}', 'unanswered', '{}', null, '=', null, 'no', null, 'its life is not extended'),
    ('{t}', '{non_operational}', 'unanswered', '{untrusted,identity,copy}', null, '=', 'not_attested', 'grace', null,
        'as for initializing; a graver reason stays'),
    ('{t}', '{non_responsive,preparing_for_maintenance,maintenance,down}', 'unanswered', '{}', null, '=', null, 'no', null, 'recorded'),
    ('{t}', '{up}', 'unanswered_expired', '{}', null, 'non_operational', 'not_attested', 'grace', null, 'at expiry as for initializing'),
    ('{t}', '{initializing,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'unanswered_expired', '{}', null,
        '=', null, 'no', null, 'only a host that is up has something to lose by expiry'),
    ('{t}', '{up}', 'expired', '{}', null, 'non_operational', 'expired', 'configured', null,
        'not knowing is not failing: no new VMs, but not emptied unless configured (rule CALM)'),
    ('{t}', '{initializing,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'expired', '{}', null,
        '=', null, 'no', null, 'only a host that is up has something to lose by expiry'),
    ('{t}', '{initializing}', 'silent', '{}', null, '=', null, 'no', null, 'takes no VMs, asked again'),
    ('{t}', '{up}', 'silent', '{}', null, '=', null, 'no', null, 'its life is not extended'),
    ('{t}', '{non_operational}', 'silent', '{}', null, '=', null, 'no', null, 'status and reason stay'),
    ('{t}', '{non_responsive,preparing_for_maintenance,maintenance,down}', 'silent', '{}', null, '=', null, 'no', null, 'nothing'),
    -- verdicts in other clusters never change a status
    ('{f}', '{initializing,up,non_operational}', 'untrusted', '{}', null, '=', null, 'now', null,
        'recorded; only the VMs that require trust leave'),
    ('{f}', '{non_responsive,preparing_for_maintenance,maintenance,down}', 'untrusted', '{}', null, '=', null, 'no', null, 'recorded'),
    ('{f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'trusted', '{}', null,
        '=', null, 'no', null, 'recorded'),
    ('{f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'unanswered', '{}', null,
        '=', null, 'no', null, 'recorded'),
    ('{f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'unanswered_expired', '{}', null,
        '=', null, 'no', null, 'recorded'),
    ('{f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'silent', '{}', null,
        '=', null, 'no', null, 'nothing'),
    ('{f}', '{initializing,up,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'expired', '{}', null,
        '=', null, 'no', null, 'recorded'),
    -- the manager
    ('{t,f}', '{up}', 'manager_started', '{}', null, 'initializing', '', 'no', null, 'waits for its connection, then it is asked about'),
    ('{t,f}', '{initializing,non_operational,non_responsive,preparing_for_maintenance,maintenance,down}', 'manager_started', '{}', null,
        '=', null, 'no', null, 'state survives a restart (rule DURABLE)'),
    ('{t,f}', '{initializing,up,non_operational,non_responsive}', 'copy_found', '{untrusted,identity}', null, 'non_operational', 'copy', 'no',
        null, 'two copies of a VM may run: an alarm; neither is stopped'),
    ('{t,f}', '{preparing_for_maintenance,maintenance,down}', 'copy_found', '{}', null, '=', null, 'no', null,
        'the event of the copy is written; the status says already that nothing is placed there')
) as r (trusts, statuses, event, keeps_reasons, kept_status, to_status, to_reason, empties, refusal, comment)
cross join lateral unnest(r.trusts) as t (trusted)
cross join lateral unnest(r.statuses) as s (status);
