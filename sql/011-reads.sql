-- What the manager reads: a view per concept with the columns of its struct (src/store/), and the forms of time in which it
-- reads and gives them.

-- Milliseconds since the epoch: what has begun by then (down), and what will not be over before (up).
create function ms_down(p_time timestamptz) returns bigint language sql stable as $$
    select floor(extract(epoch from p_time) * 1000)::bigint
$$;

create function ms_up(p_time timestamptz) returns bigint language sql stable as $$
    select ceil(extract(epoch from p_time) * 1000)::bigint
$$;

create function from_ms(p_ms bigint) returns timestamptz language sql stable as $$
    select 'epoch'::timestamptz + p_ms * interval '1 millisecond'
$$;

create function from_ms(p_ms bigint[]) returns timestamptz[] language sql stable as $$
    select array(select 'epoch'::timestamptz + ms * interval '1 millisecond' from unnest(p_ms) with ordinality g (ms, ord) order by ord)
$$;

-- 2026-01-31T12:00:00.123Z
create function iso(p_time timestamptz) returns text language sql stable as $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

create view cluster_rows as
select c.id, c.data_center_id, c.name, c.description, c.comment, c.cpu_id, c.version_major, c.version_minor, c.trusted_service,
       c.on_error, (select count(*) from hosts h where h.cluster_id = c.id and h.status <> 'maintenance') as active_hosts
from clusters c;

create view host_rows as
select h.id, h.cluster_id, h.name, h.address, h.attestation_id, h.comment, h.status, h.reason, h.detail, h.libvirt_uuid, h.connected,
       h.generation, h.memory_mib, host_used_mib(h.id) as used_mib, h.cpus,
       (select count(*) from vms v where v.host_id = h.id) as vms, c.trusted_service as cluster_trusted,
       h.verdict, h.verdict_reason, h.verdict_detail, iso(h.asked_at) as asked_at, iso(h.valid_until) as valid_until,
       h.verdict = 'trusted' and coalesce(h.valid_until > clock_timestamp(), false) as is_trusted,
       e.host_id is not null as evacuating, coalesce(e.held, false) as evacuation_held
from hosts h join clusters c on c.id = h.cluster_id left join evacuations e on e.host_id = h.id;

create view vm_rows as
select v.id, v.cluster_id, v.template_id, v.name, v.description, v.comment, v.memory_mib, v.cpus, v.priority, v.display, v.affinity,
       v.pinned_host_id, v.trusted_host_flag, v.origin, v.machine, v.cpu_id, v.status, v.status_detail, v.host_id, v.target_host_id,
       requires_trust(v.id) as requires_trust,
       (select jsonb_agg(jsonb_build_object('source', d.source, 'format', d.format, 'bus', d.bus, 'readonly', d.readonly,
                                            'bootable', d.bootable) order by d.ordinal)
        from vm_disks d where d.vm_id = v.id) as disks,
       (select jsonb_agg(jsonb_build_object('name', n.name, 'network', n.network, 'mac', n.mac, 'model', n.model) order by n.ordinal)
        from vm_nics n where n.vm_id = v.id) as nics
from vms v;

create view event_rows as
select id, iso(time) as time, name, severity, description, cluster_id, host_id, vm_id, user_name from audit_log;

-- For who follows the events: the oldest ones above an id. Numbers are drawn before the commit, so an event with a lower
-- number can appear after one with a higher one. Who has drawn a number up to the sequence's present one is done, or holds
-- the lock of an insert now: those are waited for, and nobody waits for the reader. No event is passed over.
create function events_after(p_after bigint, p_max integer) returns setof event_rows
language plpgsql volatile as $$
declare
    v_last bigint := (select last_value from audit_log_id_seq); -- read before the locks
    v_writers text[];
begin
    if v_last <= p_after then
        return;
    end if;
    select array_agg(virtualtransaction) into v_writers from pg_locks
    where locktype = 'relation' and relation = 'audit_log'::regclass and mode = 'RowExclusiveLock' and granted
      and database = (select oid from pg_database where datname = current_database());
    while exists (select from pg_locks where virtualtransaction = any(v_writers) and relation = 'audit_log'::regclass) loop
        perform pg_sleep(0.002);
    end loop;
    return query select * from event_rows where id > p_after and id <= v_last order by id limit p_max;
end $$;
