-- How far the migrations are that are under way, as libvirt's job statistics say, and which of them must not go on. It is
-- worth nothing after a crash: the manager tells it again within a second, and so it is not written to the log.

create unlogged table migration_progress (
    operation uuid primary key references operations on delete cascade,
    data_total bigint not null check (data_total >= 0),         -- bytes
    data_remaining bigint not null check (data_remaining >= 0), -- bytes; grows while the guest changes what was sent
    step text not null default '',  -- what has been done to make it converge: bandwidth, auto_converge, post_copy; '' nothing yet
    told_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- Why a VM that is on its way to this host must not arrive there, or null. Rule CALM: not knowing is not failing, so a
-- verdict that has merely expired stops no migration, unless such hosts are emptied.
create function target_refusal(v vms, h hosts) returns text
language sql volatile as $$
    select case when not requires_trust(v.id) then null
                when h.verdict = 'untrusted' then format('Host %s is not trusted any more.', h.name)
                when exists (select from evacuations e where e.host_id = h.id and e.why <> 'maintenance' and e.not_before <= clock_timestamp())
                    then format('Host %s is to be emptied itself.', h.name)
           end
$$;

-- What the manager tells every second of all the migrations that it runs; the arrays belong together, and a total of 0 is
-- one that libvirt has not said anything about. Gives back those that must be aborted, with the reason.
create function migrations_progress(p_operations uuid[], p_totals bigint[], p_remaining bigint[], p_steps text[])
returns table (operation uuid, why text)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    delete from migration_progress p using operations o where o.id = p.operation and o.ended_at is not null;
    insert into migration_progress as p (operation, data_total, data_remaining, step)
    select o.id, g.total, g.remaining, g.step
    from unnest(p_operations, p_totals, p_remaining, p_steps) g (operation, total, remaining, step)
    join operations o on o.id = g.operation and o.ended_at is null
    where g.total > 0 order by o.id
    on conflict (operation) do update set data_total = excluded.data_total, data_remaining = excluded.data_remaining, step = excluded.step,
        told_at = excluded.told_at;
    return query
        select v.operation, r.why
        from vms v join hosts h on h.id = v.target_host_id cross join lateral (select target_refusal(v, h) as why) r
        where v.operation = any(p_operations) and v.status = 'migrating' and r.why is not null
        order by v.operation;
end $$;

-- Open evacuation work, and how far it is. A VM is moving, staying (reported, with the reason), or waiting; one that is
-- still on its way to the host will have to wait there.
create view evacuation_rows as
select e.host_id, h.name as host_name, e.why, iso(e.opened_at) as opened_at, iso(e.not_before) as not_before, e.held, n.waiting, n.moving, n.staying
from evacuations e join hosts h on h.id = e.host_id
cross join lateral (
    select count(*) filter (where not s.moves and not s.stays) as waiting, count(*) filter (where s.moves) as moving,
           count(*) filter (where s.stays) as staying
    from vms v left join evacuation_vms ev on ev.host_id = e.host_id and ev.vm_id = v.id
    cross join lateral (select v.host_id = e.host_id and v.target_host_id is not null as moves,
                               v.host_id = e.host_id and v.target_host_id is null and ev.stays is not null as stays) s
    where e.host_id in (v.host_id, v.target_host_id) and evacuation_is_for(e, v)
) n;

create view evacuation_moves as
select e.host_id, v.id as vm_id, v.name as vm_name, t.id as target_id, t.name as target_name, coalesce(p.data_total, 0) as data_total,
       coalesce(p.data_remaining, 0) as data_remaining, coalesce(p.step, '') as step,
       case when p.data_total > 0 then greatest(0, least(99, (p.data_total - p.data_remaining) * 100 / p.data_total)) else 0 end as percent
from evacuations e join vms v on v.host_id = e.host_id and v.target_host_id is not null and evacuation_is_for(e, v)
join hosts t on t.id = v.target_host_id left join migration_progress p on p.operation = v.operation;
