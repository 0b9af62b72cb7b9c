-- Hosts: the one function that changes their status, their connections, and what administrators do with them.
--
-- Order of locks, everywhere: clusters, hosts by id, VMs by id. Rows are locked by a statement of their own and read by the
-- next one: at READ COMMITTED a statement that waits for a lock goes on with the join that it made before.

create type host_change as (
    host uuid, name text, from_status text, to_status text, from_reason text, to_reason text
);

-- What apply_host_event knows of each host of its set.
create type host_step as (
    host uuid, name text, cluster uuid, trusted boolean, from_status text, to_status text, from_reason text, to_reason text,
    detail text, empties text, kept boolean, was_activating boolean
);

-- Locks the hosts in the order of their ids. As the first thing that every transaction about a set does, it also chooses
-- the kind of plan for the rest of it: planning for few hosts takes several times as long as what is planned, and what
-- was planned for few hosts is wrong for many.
create function lock_hosts(p_hosts uuid[]) returns void language plpgsql as $$
begin
    perform set_config('plan_cache_mode', case when cardinality(p_hosts) <= 32 then 'force_generic_plan' else 'force_custom_plan' end, true);
    perform 1 from unnest(p_hosts) g (id) join hosts h on h.id = g.id order by h.id for no key update of h;
end $$;

-- The audit event of a change: its name, its severity, its sentence.
create function host_change_event(p_event text, p_step host_step, p_actor text, out name text, out severity text, out description text)
language plpgsql immutable as $$
declare
    v_host text := 'Host ' || p_step.name;
    v_by text := coalesce(' by ' || p_actor, '');
    v_detail text := case when p_step.detail <> '' then ' ' || p_step.detail else '' end;
begin
    if p_event = 'activated' then
        select 'HOST_ACTIVATED', 'normal', v_host || ' was activated' || v_by || '.' into name, severity, description;
    elsif p_step.to_status = 'up' then
        select 'HOST_UP', 'normal', 'Status of host ' || p_step.name || ' was set to Up.' into name, severity, description;
    elsif p_step.to_reason = 'untrusted' and p_step.to_status in ('non_operational', 'non_responsive') and p_event in ('untrusted', 'trusted') then
        select 'HOST_UNTRUSTED', 'error',
            case when p_event = 'trusted' then v_host || ' was set to non-operational. It is trusted now, but was not before: activate it.'
                 when p_step.to_status = 'non_operational' then v_host
                    || ' was set to non-operational. Host is not trusted by the attestation service.' || v_detail
                 else v_host || ' is not trusted by the attestation service.' || v_detail end
        into name, severity, description;
    elsif p_step.to_status = 'non_operational' then
        select case p_step.to_reason when 'untrusted' then 'HOST_UNTRUSTED' when 'not_attested' then 'HOST_NOT_ATTESTED'
                    when 'expired' then 'HOST_VERDICT_EXPIRED' when 'identity' then 'HOST_IDENTITY' when 'copy' then 'HOST_SECOND_COPY'
                    else 'HOST_NON_OPERATIONAL' end,
               case when p_step.to_reason in ('identity', 'copy') then 'alert' when p_step.to_reason = 'expired' then 'warning' else 'error' end,
               v_host || ' was set to non-operational.' || case p_step.to_reason
                    when 'untrusted' then ' It was not trusted, and has not been activated and found trusted since.'
                    when 'not_attested' then ' The attestation service has no answer about it.'
                    when 'expired' then ' Its verdict expired while the attestation service was silent.'
                    when 'identity' then ' It is not the host that it was.'
                    when 'copy' then ' It was confirmed dead and came back with VMs still running.'
                    else '' end || v_detail
        into name, severity, description;
    else
        select e.name, e.severity, v_host || e.text into name, severity, description
        from (values
            ('initializing', 'HOST_INITIALIZING', 'normal', ' is initializing.'),
            ('non_responsive', 'HOST_NON_RESPONSIVE', 'error', ' is not responding: its VMs are unknown.' || v_detail),
            ('preparing_for_maintenance', 'HOST_PREPARING_FOR_MAINTENANCE', 'normal', ' is preparing for maintenance' || v_by || '.'),
            ('maintenance', 'HOST_MAINTENANCE', 'normal', ' is in maintenance.'),
            ('down', 'HOST_CONFIRMED_DEAD', 'warning', ' was confirmed to be dead' || v_by || '.')
        ) as e (status, name, severity, text) where e.status = p_step.to_status;
    end if;
end $$;

-- The one function that changes hosts.status (and reason, detail): looks every host up in host_transition, writes an audit
-- event per change, opens and closes evacuation work, notifies. p_reason and p_detail: instead of the table's reason, and
-- the sentence for the administrator. Returns what changed. A missing row of the table is an error; so is a refusal (TP409).
create function apply_host_event(p_hosts uuid[], p_event text, p_reason text default null, p_detail text default '',
                                 p_actor text default null) returns setof host_change
language plpgsql volatile as $$
declare
    v_steps host_step[];
    v_refusal text;
    v_bad boolean := p_event in ('untrusted', 'unanswered', 'unanswered_expired', 'expired');
begin
    perform lock_hosts(p_hosts);
    select format('There is no transition for event %s in status %s.', p_event, h.status) into v_refusal
    from hosts h join clusters c on c.id = h.cluster_id
    where h.id = any(p_hosts)
      and not exists (select from host_transition t where (t.trusted, t.status, t.event) = (c.trusted_service, h.status, p_event))
    limit 1;
    if found then
        raise exception '%', v_refusal;
    end if;
    select array_agg(row(h.id, h.name, h.cluster_id, c.trusted_service, h.status,
                         case when k.kept then coalesce(t.kept_status, t.to_status) else t.to_status end,
                         h.reason,
                         case when k.kept then h.reason
                              when p_event = 'activated' and h.distrusted then 'untrusted'
                              else coalesce(p_reason, t.to_reason, h.reason) end,
                         coalesce(nullif(p_detail, ''), case when v_bad then h.verdict_detail else '' end),
                         t.empties, k.kept, h.activating)::host_step order by h.id),
           min(format(t.refusal, h.name))
    into v_steps, v_refusal
    from hosts h
    join clusters c on c.id = h.cluster_id
    join host_transition t on (t.trusted, t.status, t.event) = (c.trusted_service, h.status, p_event)
    cross join lateral (select h.reason = any(t.keeps_reasons)
                            and not (p_event = 'trusted' and h.reason = 'untrusted' and h.activating) as kept) k
    where h.id = any(p_hosts);
    if v_refusal is not null then
        perform refuse(409, v_refusal);
    end if;

    update hosts h set
        status = s.to_status,
        reason = s.to_reason,
        detail = case when (s.from_status, s.from_reason) = (s.to_status, s.to_reason) then h.detail else s.detail end,
        activating = case when p_event = 'activated' then true
                          when s.to_status = 'up' or p_event in ('trusted', 'untrusted', 'unanswered', 'identity', 'deactivated', 'confirmed_dead') then false
                          else h.activating end,
        distrusted = case when p_event = 'untrusted' then true
                          when p_event = 'trusted' and not s.kept and (s.to_status = 'up' or not s.trusted) then false
                          else h.distrusted end,
        fenced = p_event = 'confirmed_dead' or h.fenced,
        turned_bad_at = case when v_bad and s.to_status = 'non_operational' and s.from_status in ('up', 'initializing')
                                  and not s.was_activating then clock_timestamp() else h.turned_bad_at end
    from unnest(v_steps) s
    where h.id = s.host;

    insert into audit_log (name, severity, description, cluster_id, host_id, user_name)
    select e.name, e.severity, e.description, s.cluster, s.host, p_actor
    from unnest(v_steps) s cross join lateral host_change_event(p_event, s, p_actor) e
    where s.from_status <> s.to_status
       or (s.from_reason <> s.to_reason and s.to_status in ('non_operational', 'non_responsive'))
    order by s.host;
    if found then
        perform notify_manager('events');
    end if;

    perform evacuation_open(v_steps, p_event);
    perform evacuation_host_up(v_steps, p_event);

    return query select s.host, s.name, s.from_status, s.to_status, s.from_reason, s.to_reason
    from unnest(v_steps) s where (s.from_status, s.from_reason) is distinct from (s.to_status, s.to_reason) order by s.host;
end $$;

-- The VMs that run on hosts whose connection is lost: nobody knows what they do. VMs with an operation under way
-- follow from how that ends.
create function vms_unknown(p_hosts uuid[]) returns void
language plpgsql as $$
begin
    perform 1 from vms where host_id = any(p_hosts) order by id for no key update;
    with changed as (
        update vms v set status = 'unknown', status_detail = 'The connection to its host is lost.'
        where v.host_id = any(p_hosts) and v.status in ('up', 'paused') and v.operation is null
        returning v.id, v.name, v.cluster_id, v.host_id
    )
    insert into audit_log (name, severity, description, cluster_id, host_id, vm_id)
    select 'VM_UNKNOWN', 'warning', format('VM %s is unknown: the connection to its host %s is lost.', c.name, h.name),
           c.cluster_id, c.host_id, c.id
    from changed c join hosts h on h.id = c.host_id order by c.name;
end $$;

-- Connections were made. Pins the UUID at the first one; another UUID, or one that belongs to another host, is outcome
-- 'identity' (generation 0: the caller closes the connection). Otherwise outcome 'connected' and the number of the
-- connection. One row for each host, in the order of their ids.
create function hosts_connected(p_hosts uuid[], p_libvirt_uuids uuid[], p_memory_mib bigint[], p_cpus integer[], p_machines text[])
returns table (host uuid, generation bigint, outcome text, status text, detail text)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    g record;
    v_host hosts;
    v_other text;
    v_connected uuid[] := '{}';
    v_leaving uuid[] := '{}';
begin
    perform lock_hosts(p_hosts);
    for g in select * from unnest(p_hosts, p_libvirt_uuids, p_memory_mib, p_cpus, p_machines) u (id, libvirt_uuid, memory_mib, cpus, machine) order by u.id loop
        select * into v_host from hosts h where h.id = g.id;
        if not found then
            perform refuse(404, format('There is no host %s.', g.id));
        end if;
        select h.name into v_other from hosts h where h.libvirt_uuid = g.libvirt_uuid and h.id <> g.id;
        if v_other is not null or v_host.libvirt_uuid <> g.libvirt_uuid then
            perform host_identity(g.id, case when v_other is not null
                then format('At %s answers a libvirt with the UUID %s, which is host %s.', v_host.address, g.libvirt_uuid, v_other)
                else format('At %s answers a libvirt with the UUID %s; it was %s. If the machine was replaced, remove the host and add it again.',
                            v_host.address, g.libvirt_uuid, v_host.libvirt_uuid) end);
            continue;
        end if;
        update hosts h set libvirt_uuid = g.libvirt_uuid, memory_mib = g.memory_mib, cpus = g.cpus, machine = g.machine, connected = true, listed = false,
            generation = nextval('generations'), connected_question = nextval('questions'),
            verdict = 'unknown', verdict_reason = '', verdict_detail = '', valid_until = null, asked_at = null, unanswered_since = null
        where h.id = g.id;
        v_connected := v_connected || g.id;
        if v_host.status <> 'preparing_for_maintenance'
           and exists (select from evacuations e where e.host_id = g.id and e.why = 'maintenance') then
            v_leaving := v_leaving || g.id;
        end if;
    end loop;
    perform apply_host_event(v_connected, 'connected');
    if v_leaving <> '{}' then
        -- the administrator's wish outlives a lost connection
        perform apply_host_event(v_leaving, 'deactivated');
    end if;
    perform notify_manager('evacuation');
    return query
        select h.id, case when h.id = any(v_connected) then h.generation else 0 end,
               case when h.id = any(v_connected) then 'connected' else 'identity' end, h.status::text, h.detail
        from unnest(p_hosts) u (id) join hosts h on h.id = u.id order by h.id;
end $$;

-- The same for one.
create function host_connected(p_host uuid, p_libvirt_uuid uuid, p_memory_mib bigint, p_cpus integer, p_machine text default '')
returns table (generation bigint, outcome text, status text, detail text)
language sql volatile as $$
    select c.generation, c.outcome, c.status, c.detail
    from hosts_connected(array[p_host], array[p_libvirt_uuid], array[p_memory_mib], array[p_cpus], array[p_machine]) c
$$;

-- A connection was lost. Nothing happens unless p_generation is the present connection's; 0: an attempt to connect
-- failed, which counts while there is no connection.
create function host_disconnected(p_host uuid, p_generation bigint, p_why text) returns void
language plpgsql volatile as $$
declare
    v_host hosts;
begin
    select * into v_host from hosts where id = p_host for no key update;
    if not found or not (case when p_generation = 0 then not v_host.connected
                              else v_host.connected and v_host.generation = p_generation end) then
        return;
    end if;
    update hosts set connected = false, listed = false where id = p_host;
    perform apply_host_event(array[p_host], 'disconnected', null, p_why);
    perform vms_unknown(array[p_host]);
end $$;

-- It is not the host that it was: a certificate that does not match its address, or another UUID.
create function host_identity(p_host uuid, p_detail text) returns void
language plpgsql volatile as $$
begin
    perform lock_hosts(array[p_host]);
    update hosts set connected = false, listed = false, verdict = 'unknown', verdict_reason = '', verdict_detail = '', valid_until = null
    where id = p_host;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    perform apply_host_event(array[p_host], 'identity', null, p_detail);
    perform vms_unknown(array[p_host]);
end $$;

-- The manager starts: nothing is connected, and no verdict is believed until it has been asked for again.
create function all_disconnected() returns void
language plpgsql volatile as $$
declare
    v_hosts uuid[];
begin
    select array_agg(id) into v_hosts from hosts;
    perform lock_hosts(v_hosts);
    update hosts set connected = false, listed = false, verdict = 'unknown', verdict_reason = '', verdict_detail = '', valid_until = null,
        unanswered_since = null
    where id = any(v_hosts);
    perform apply_host_event(v_hosts, 'manager_started');
end $$;

create function activate_host(p_host uuid, p_actor text default null)
returns table (generation bigint, connected boolean, status text, cluster_trusted boolean, id uuid, name text, attestation_id text)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    if not exists (select from hosts where hosts.id = p_host) then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    -- what was asked before the activation does not answer it
    perform lock_hosts(array[p_host]);
    update hosts h set connected_question = nextval('questions') where h.id = p_host;
    perform apply_host_event(array[p_host], 'activated', null, '', p_actor);
    if exists (select from hosts h join clusters c on c.id = h.cluster_id where h.id = p_host and h.connected and not c.trusted_service) then
        perform apply_host_event(array[p_host], 'connected');
    end if;
    delete from evacuations where host_id = p_host and why = 'maintenance';
    if exists (select from hosts h where h.id = p_host and not h.connected) then
        perform notify_manager('hosts'); -- it may have been `down`, and is connected now
    end if;
    return query select h.generation, h.connected, h.status::text, c.trusted_service, h.id, h.name, h.attestation_id
    from hosts h join clusters c on c.id = h.cluster_id where h.id = p_host;
end $$;

-- Sends a host into maintenance: at once when it has no VMs, else when they have left. VMs that cannot move refuse it,
-- unless p_leave_running.
create function deactivate_host(p_host uuid, p_leave_running boolean default false, p_actor text default null) returns void
language plpgsql volatile as $$
declare
    v_host hosts;
    v_names text;
begin
    select * into v_host from hosts where id = p_host for no key update;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    if v_host.status <> 'maintenance' then
        select string_agg(name, ', ' order by name) into v_names from vms where host_id = p_host and status = 'unknown';
        if v_names is not null and not v_host.connected then
            perform refuse(409, format('Host %s is not connected and its VMs are unknown: %s. If the host is dead, confirm that first (fence).',
                                       v_host.name, v_names));
        end if;
        select string_agg(name, ', ' order by name) into v_names from vms where host_id = p_host and affinity = 'pinned';
        if v_names is not null and not p_leave_running then
            perform refuse(409, format('VMs on host %s cannot migrate: %s. Stop them, or deactivate the host with leave_running.',
                                       v_host.name, v_names));
        end if;
    end if;
    perform apply_host_event(array[p_host], 'deactivated', null, '', p_actor);
    if exists (select from vms where host_id = p_host or target_host_id = p_host) then
        insert into evacuations as e (host_id, why, all_vms, leave_running) values (p_host, 'maintenance', true, p_leave_running)
        on conflict (host_id) do update set why = 'maintenance', all_vms = true, held = false, not_before = clock_timestamp(),
            leave_running = e.leave_running or excluded.leave_running;
        perform notify_manager('evacuation');
    else
        delete from evacuations where host_id = p_host;
        perform apply_host_event(array[p_host], 'emptied');
    end if;
end $$;

-- An administrator confirms that a host is dead: its VMs are down and may be started elsewhere.
create function fence_host(p_host uuid, p_actor text default null) returns void
language plpgsql volatile as $$
declare
    v_host hosts;
    v_names text;
begin
    select * into v_host from hosts where id = p_host for no key update;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    if v_host.connected then
        perform refuse(409, format('Host %s is connected. Only a host whose connection is lost can be confirmed dead.', v_host.name));
    end if;
    select string_agg(v.name, ', ' order by v.name) into v_names
    from operations o join vms v on v.id = o.vm_id join hosts t on t.id = o.host_id
    where o.ended_at is null and o.kind = 'migrate' and o.source_id = p_host and t.connected and t.id <> all(o.missing);
    if v_names is not null then
        perform refuse(409, format('VMs may be arriving from host %s at other hosts: %s. Wait until their migrations have ended.',
                                   v_host.name, v_names));
    end if;
    perform apply_host_event(array[p_host], 'confirmed_dead', null, '', p_actor);
    perform 1 from vms where host_id = p_host or target_host_id = p_host order by id for no key update;
    -- VMs that were on their way here are where they came from, or died here if they are not there; those on their way to a host that is not connected may
    -- have arrived there; those on their way to one that lists its domains without them died here
    with ended as (
        update operations set ended_at = clock_timestamp(), outcome = 'failed', detail = 'A host of the migration was confirmed dead.'
        where ended_at is null and kind = 'migrate' and p_host in (host_id, source_id)
        returning id, host_id, source_id, missing, paused
    )
    update vms v set operation = null, target_host_id = null,
        host_id = case when e.host_id = p_host and e.source_id <> all(e.missing) or e.host_id = any(e.missing) then e.source_id else e.host_id end,
        status = case when e.host_id = p_host and s.connected and s.listed then case when e.paused then 'paused' else 'up' end else 'unknown' end
    from ended e join hosts s on s.id = e.source_id
    where v.operation = e.id;
    update operations set ended_at = clock_timestamp(), outcome = 'failed', detail = 'The host was confirmed dead.'
    where ended_at is null and host_id = p_host;
    with changed as (
        update vms v set status = 'down', host_id = null, operation = null, status_detail = 'Its host was confirmed dead.'
        where v.host_id = p_host returning v.id, v.name, v.cluster_id
    )
    insert into audit_log (name, severity, description, cluster_id, host_id, vm_id, user_name)
    select 'VM_DOWN', 'warning', format('VM %s is down: its host %s was confirmed dead.', c.name, v_host.name), c.cluster_id, p_host, c.id, p_actor
    from changed c order by c.name;
    delete from evacuations where host_id = p_host;
    delete from foreign_domains where host_id = p_host;
    perform notify_manager('evacuation');
end $$;

create function host_add(p_cluster uuid, p_name text, p_address text, p_attestation_id text default null, p_comment text default '')
returns uuid
language plpgsql volatile as $$
declare
    v_id uuid;
    v_constraint text;
begin
    perform 1 from clusters where id = p_cluster for share;
    if not found then
        perform refuse(404, format('There is no cluster %s.', p_cluster));
    end if;
    insert into hosts (cluster_id, name, address, attestation_id, comment)
    values (p_cluster, p_name, p_address, coalesce(nullif(p_attestation_id, ''), p_address), coalesce(p_comment, ''))
    returning id into v_id;
    perform log_event('HOST_ADDED', 'normal', format('Host %s was added.', p_name), p_cluster, v_id);
    perform notify_manager('hosts');
    return v_id;
exception
    when unique_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform refuse(409, case v_constraint
            when 'hosts_address' then format('There is a host with the address %s already.', p_address)
            when 'hosts_attestation_id' then format('There is a host with the attestation id %s already.', coalesce(nullif(p_attestation_id, ''), p_address))
            else format('There is a host with the name %s already.', p_name) end);
    when check_violation or not_null_violation then
        perform refuse(400, 'A host needs a name and an address of 1 to 255 characters each.');
end $$;

-- null: unchanged. Address and attestation id are fixed when the host is added (rule IDENTITY).
create function host_update(p_host uuid, p_name text, p_comment text, p_cluster uuid) returns void
language plpgsql volatile as $$
declare
    v_host hosts;
begin
    if p_cluster is not null then
        perform 1 from clusters where id = p_cluster for share;
        if not found then
            perform refuse(404, format('There is no cluster %s.', p_cluster));
        end if;
    end if;
    select * into v_host from hosts where id = p_host for no key update;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    if p_cluster is distinct from v_host.cluster_id and p_cluster is not null then
        if v_host.status <> 'maintenance' then
            perform refuse(409, format('Host %s is not in maintenance. Deactivate it before it is moved to another cluster.', v_host.name));
        end if;
        if exists (select from vms where p_host in (host_id, target_host_id, pinned_host_id)) then
            perform refuse(409, format('VMs run on host %s or are pinned to it. Move them before the host changes its cluster.', v_host.name));
        end if;
    end if;
    update hosts set name = coalesce(p_name, name), comment = coalesce(p_comment, comment), cluster_id = coalesce(p_cluster, cluster_id)
    where id = p_host;
    if v_host.name <> p_name then
        perform log_event('HOST_UPDATED', 'normal', format('Host %s is now called %s.', v_host.name, p_name), null, p_host);
    end if;
    if v_host.cluster_id <> p_cluster then
        perform log_event('HOST_UPDATED', 'normal', format('Host %s was moved to cluster %s.', coalesce(p_name, v_host.name),
            (select name from clusters where id = p_cluster)), p_cluster, p_host);
    end if;
exception
    when unique_violation then
        perform refuse(409, format('There is a host with the name %s already.', p_name));
    when check_violation then
        perform refuse(400, 'The name of a host has 1 to 255 characters.');
end $$;

create function host_remove(p_host uuid) returns void
language plpgsql volatile as $$
declare
    v_host hosts;
    v_names text;
begin
    select * into v_host from hosts where id = p_host for update;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    if v_host.status <> 'maintenance' then
        perform refuse(409, format('Host %s is not in maintenance. Deactivate it before it is removed.', v_host.name));
    end if;
    select string_agg(name, ', ' order by name) into v_names from vms where p_host in (host_id, target_host_id, pinned_host_id);
    if v_names is not null then
        perform refuse(409, format('Host %s has VMs, or VMs are pinned to it: %s.', v_host.name, v_names));
    end if;
    delete from hosts where id = p_host;
    perform log_event('HOST_REMOVED', 'normal', format('Host %s was removed.', v_host.name), v_host.cluster_id);
    perform notify_manager('hosts');
end $$;
