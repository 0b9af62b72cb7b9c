-- Evacuation work belongs to the host: a row of `evacuations` is open work. It is done when no VM that it is for is left,
-- or when the host is up again. What opens it is in the transaction that recorded why (rule ATOMIC).

-- Is the VM one that this work is for?
create function evacuation_is_for(e evacuations, v vms) returns boolean
language sql stable as $$
    select e.all_vms or requires_trust(v.id)
$$;

-- Opens work for these hosts (locked by the caller), where a VM that requires trust is there or on its way there; work
-- that is open already becomes no later. p_whys and p_not_before belong to p_hosts.
create function evacuation_start(p_hosts uuid[], p_whys text[], p_not_before timestamptz[]) returns void
language plpgsql volatile as $$
declare
    v_new uuid[];
begin
    select array_agg(g.host) into v_new
    from unnest(p_hosts) g (host)
    where not exists (select from evacuations e where e.host_id = g.host)
      and exists (select from vms v where g.host in (v.host_id, v.target_host_id) and requires_trust(v.id));
    insert into evacuations as e (host_id, why, all_vms, not_before)
    select g.host, g.why, false, g.not_before
    from unnest(p_hosts, p_whys, p_not_before) g (host, why, not_before)
    where g.host = any(v_new) or exists (select from evacuations x where x.host_id = g.host)
    order by g.host
    on conflict (host_id) do update set
        why = case when e.why in ('maintenance', 'untrusted') then e.why else excluded.why end,
        not_before = least(e.not_before, excluded.not_before)
    where (e.why not in ('maintenance', 'untrusted') and e.why <> excluded.why) or excluded.not_before < e.not_before;
    if found then
        perform notify_manager('evacuation');
    end if;
    if v_new is null then
        return;
    end if;
    insert into audit_log (name, severity, description, cluster_id, host_id)
    select 'EVACUATION_STARTED', 'warning',
           format('VMs that require trust leave host %s (%s)%s.', h.name, e.why,
                  case when e.not_before > clock_timestamp() then ' from ' || to_char(e.not_before at time zone 'UTC', 'HH24:MI:SS') || ' UTC on' else '' end),
           h.cluster_id, h.id
    from evacuations e join hosts h on h.id = e.host_id where e.host_id = any(v_new) order by h.id;
    perform notify_manager('events');
    perform evacuation_hold(v_new);
end $$;

-- Rule CALM: when more than evacuation_max_share percent of a cluster turned bad within the life of a verdict, and more
-- than one host, their evacuation waits for an administrator.
create function evacuation_hold(p_hosts uuid[]) returns void
language plpgsql volatile as $$
declare
    c record;
begin
    for c in select distinct k.id, k.name from hosts h join clusters k on k.id = h.cluster_id where h.id = any(p_hosts) order by k.id loop
        -- verdicts on different hosts of one cluster are counted one after the other
        perform pg_advisory_xact_lock(hashtextextended('evacuation_hold ' || c.id, 0));
        with counted as (
            select count(*) filter (where h.status = 'non_operational' and h.turned_bad_at > clock_timestamp() - s.auth_timeout) as bad,
                   count(*) filter (where h.status not in ('maintenance', 'preparing_for_maintenance', 'down')) as total,
                   min(s.evacuation_max_share) as max_share
            from hosts h cross join settings s where h.cluster_id = c.id
        ), held as (
            update evacuations e set held = true
            from hosts h, settings s, counted n
            where h.id = e.host_id and h.cluster_id = c.id and not e.all_vms and not e.held and not e.released
              and h.turned_bad_at > clock_timestamp() - s.auth_timeout
              and n.bad >= 2 and n.bad * 100 > n.max_share * n.total
            returning h.name, n.bad, n.total
        )
        insert into audit_log (name, severity, description, cluster_id)
        select 'EVACUATION_HELD', 'alert',
               format('%s of %s hosts of cluster %s turned bad at once. The evacuation of %s waits for an administrator (release it, or repair the attestation service and its list of good values).',
                      max(bad), max(total), c.name, string_agg(name, ', ' order by name)), c.id
        from held having count(*) > 0;
    end loop;
end $$;

-- Part of apply_host_event: the work that an event opens.
create function evacuation_open(p_steps host_step[], p_event text) returns void
language plpgsql volatile as $$
declare
    v_hosts uuid[];
    v_whys text[];
    v_not_before timestamptz[];
begin
    select array_agg(s.host), array_agg(case when s.trusted then s.to_reason else 'untrusted' end),
           array_agg(case s.empties when 'grace' then coalesce(h.unanswered_since, clock_timestamp()) + g.host_grace else clock_timestamp() end)
    into v_hosts, v_whys, v_not_before
    from unnest(p_steps) s join hosts h on h.id = s.host cross join settings g
    where s.empties in ('now', 'grace') or (s.empties = 'configured' and g.expired_hosts = 'evacuate');
    if v_hosts is not null then
        perform evacuation_start(v_hosts, v_whys, v_not_before);
    end if;
end $$;

-- A VM has appeared on this host: is it one that must leave again?
create function evacuation_needed(p_host uuid) returns void
language plpgsql volatile as $$
declare
    v_why text;
    v_not_before timestamptz;
begin
    select case when not c.trusted_service then 'untrusted' else h.reason end,
           case when h.reason = 'not_attested' then coalesce(h.unanswered_since, clock_timestamp()) + s.host_grace else clock_timestamp() end
    into v_why, v_not_before
    from hosts h join clusters c on c.id = h.cluster_id cross join settings s
    where h.id = p_host
      and (case when c.trusted_service
                then (h.status in ('initializing', 'non_operational') and h.reason = 'untrusted')
                     or (h.status = 'non_operational' and (h.reason = 'not_attested' or (h.reason = 'expired' and s.expired_hosts = 'evacuate')))
                else h.verdict = 'untrusted' end);
    if found then
        perform evacuation_start(array[p_host], array[v_why], array[v_not_before]);
    elsif exists (select from hosts where id = p_host and status = 'preparing_for_maintenance')
          and exists (select from vms where p_host in (host_id, target_host_id)) then
        insert into evacuations (host_id, why, all_vms) values (p_host, 'maintenance', true) on conflict do nothing;
    end if;
end $$;

-- Part of apply_host_event: hosts that are up (again). Their own work is over, and that of others has a new target.
create function evacuation_host_up(p_steps host_step[], p_event text) returns void
language plpgsql volatile as $$
declare
    v_up uuid[];
    v_new uuid[];
    v_clusters uuid[];
begin
    select array_agg(host) filter (where from_status <> 'up' and trusted or p_event = 'trusted'),
           array_agg(host) filter (where from_status <> 'up'), array_agg(cluster) filter (where from_status <> 'up')
    into v_up, v_new, v_clusters
    from unnest(p_steps) s where s.to_status = 'up';
    if v_up is null and v_new is null then
        return;
    end if;
    delete from evacuations e where e.host_id = any(v_up) or (e.host_id = any(v_new) and e.why = 'maintenance');
    update evacuation_vms ev set stays = null, retry = false
    from hosts h
    where h.id = ev.host_id and ev.retry and h.cluster_id = any(v_clusters)
      and exists (select from hosts n where n.id = any(v_new) and n.cluster_id = h.cluster_id and n.id <> all(ev.tried));
    perform notify_manager('evacuation');
end $$;

-- What may be moved now: VMs that are up or paused on a connected host whose work is open, not held and due, and that do not stay.
create function evacuation_work()
returns table (host uuid, host_name text, host_generation bigint, cluster uuid, cluster_trusted boolean, why text, vm uuid, vm_name text,
               memory_mib bigint, priority integer, requires_trust boolean, affinity text, tried uuid[])
language plpgsql volatile as $$
#variable_conflict use_column
begin
    return query
        select h.id, h.name, h.generation, h.cluster_id, c.trusted_service, e.why, v.id, v.name, v.memory_mib, v.priority,
               requires_trust(v.id), v.affinity, coalesce(ev.tried, '{}')
        from evacuations e
        join hosts h on h.id = e.host_id
        join clusters c on c.id = h.cluster_id
        join vms v on v.host_id = h.id
        left join evacuation_vms ev on ev.host_id = e.host_id and ev.vm_id = v.id
        where not e.held and e.not_before <= clock_timestamp() and h.connected and h.listed
          and v.status in ('up', 'paused') and v.operation is null and ev.stays is null and evacuation_is_for(e, v)
        order by v.priority desc, v.memory_mib desc, v.id;
end $$;

-- Hosts that may receive VMs: up and connected. `incoming`: migrations on their way there.
create function evacuation_targets()
returns table (id uuid, name text, cluster uuid, generation bigint, trusted_fresh boolean, free_mib bigint, incoming integer)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    return query
        select h.id, h.name, h.cluster_id, h.generation, h.verdict = 'trusted' and coalesce(h.valid_until > clock_timestamp(), false),
               h.memory_mib - host_used_mib(h.id), (select count(*)::integer from vms v where v.target_host_id = h.id)
        from hosts h where h.status = 'up' and h.connected and h.listed
        order by h.id;
end $$;

-- A target failed. After settings.evacuation_tries of them the VM stays, and that is reported.
create function evacuation_tried(p_host uuid, p_vm uuid, p_target uuid, p_error text) returns void
language plpgsql volatile as $$
declare
    v_tried integer;
    v_stayed text;
begin
    perform 1 from evacuations where host_id = p_host for key share;
    if not found or not exists (select from vms where id = p_vm) then
        return; -- the work is over
    end if;
    insert into evacuation_vms as ev (host_id, vm_id, tried) values (p_host, p_vm, array[p_target])
    on conflict (host_id, vm_id) do update set tried = array_remove(ev.tried, p_target) || p_target
    returning cardinality(ev.tried), ev.stays into v_tried, v_stayed;
    if v_stayed is null and v_tried >= (select evacuation_tries from settings) then
        update evacuation_vms set stays = format('%s targets failed; the last one: %s', v_tried, p_error), retry = true
        where host_id = p_host and vm_id = p_vm;
        perform log_event('VM_MIGRATION_FAILED', 'error',
            format('VM %s stays on host %s and keeps running: its migration failed to %s hosts. The last error: %s',
                   (select name from vms where id = p_vm), (select name from hosts where id = p_host), v_tried, p_error), null, p_host, p_vm);
    end if;
    perform notify_manager('evacuation');
end $$;

-- The VM cannot migrate: it keeps running (rule RUNNING), and that is reported once while the work is open.
create function evacuation_stays(p_host uuid, p_vm uuid, p_why text) returns void
language plpgsql volatile as $$
begin
    perform 1 from evacuations where host_id = p_host for key share;
    if not found or not exists (select from vms where id = p_vm) then
        return;
    end if;
    insert into evacuation_vms as ev (host_id, vm_id, stays) values (p_host, p_vm, p_why)
    on conflict (host_id, vm_id) do update set stays = excluded.stays, retry = false where ev.stays is null;
    if found then
        perform log_event('VM_CANNOT_MIGRATE', 'warning',
            format('VM %s cannot leave host %s and keeps running there: %s', (select name from vms where id = p_vm),
                   (select name from hosts where id = p_host), p_why), null, p_host, p_vm);
        perform notify_manager('evacuation');
    end if;
end $$;

-- There is no target now: reported once until a VM has left again.
create function evacuation_waits(p_host uuid) returns void
language plpgsql volatile as $$
begin
    update evacuations set waiting_reported = true where host_id = p_host and not waiting_reported;
    if found then
        perform log_event('EVACUATION_NO_TARGET', 'alert',
            format('There is no host for the VMs of host %s to go to. They keep running there until one comes up.',
                   (select name from hosts where id = p_host)), null, p_host);
    end if;
end $$;

-- Closes the work that is done: no VM that it is for is left or on its way there. A host that prepares for maintenance is
-- in maintenance then; with leave_running also when only VMs that stay are left.
create function evacuation_close() returns void
language plpgsql volatile as $$
declare
    v_hosts uuid[];
    v_done uuid[];
    v_emptied uuid[];
begin
    select array_agg(host_id) into v_hosts from evacuations;
    if v_hosts is null then
        return;
    end if;
    perform lock_hosts(v_hosts);
    select array_agg(e.host_id), array_agg(e.host_id) filter (where e.why = 'maintenance') into v_done, v_emptied
    from evacuations e
    where e.host_id = any(v_hosts)
      and not exists (select from vms v left join evacuation_vms ev on ev.host_id = e.host_id and ev.vm_id = v.id
                      where e.host_id in (v.host_id, v.target_host_id) and evacuation_is_for(e, v)
                        and not (e.leave_running and e.why = 'maintenance' and v.host_id = e.host_id and v.target_host_id is null
                                 and ev.stays is not null));
    if v_done is null then
        return;
    end if;
    insert into audit_log (name, severity, description, cluster_id, host_id)
    select 'EVACUATION_DONE', 'normal',
           case when e.all_vms then format('The evacuation of host %s is done.', h.name)
                else format('The evacuation of host %s is done: no VM that requires trust is left there.', h.name) end, h.cluster_id, h.id
    from evacuations e join hosts h on h.id = e.host_id where e.host_id = any(v_done) order by h.id;
    perform notify_manager('events');
    delete from evacuations where host_id = any(v_done);
    if v_emptied is not null then
        perform apply_host_event(v_emptied, 'emptied');
    end if;
end $$;

-- When work becomes due that is not yet; null: there is none.
create function next_evacuation() returns timestamptz
language sql volatile as $$
    select min(not_before) from evacuations where not held and not_before > clock_timestamp()
$$;

-- An administrator lets work go on that was held (rule CALM).
create function evacuation_release(p_host uuid, p_actor text default null) returns void
language plpgsql volatile as $$
declare
    v_name text;
begin
    select name into v_name from hosts where id = p_host;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    update evacuations set held = false, released = true where host_id = p_host and held;
    if not found then
        perform refuse(409, format('No evacuation of host %s is held.', v_name));
    end if;
    perform log_event('EVACUATION_RELEASED', 'normal', format('The evacuation of host %s goes on%s.', v_name, coalesce(', as ' || p_actor || ' decided', '')),
        null, p_host, null, p_actor);
    perform notify_manager('evacuation');
end $$;
