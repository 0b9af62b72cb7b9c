-- VMs: their definitions, their placement (rule TRUST), and what libvirt says of them (rule HOSTILE).

-- Does the VM require trust? This is the one place that says so: its cluster, its own flag, or its instance type.
create function requires_trust(p_vm uuid) returns boolean
language sql stable as $$
    select c.trusted_service or v.trusted_host_flag or coalesce(i.properties ->> 'trust:trusted_host' = 'trusted', false)
    from vms v join clusters c on c.id = v.cluster_id left join instance_types i on i.id = v.instance_type_id
    where v.id = p_vm
$$;

-- Memory in MiB of the VMs that are on the host, or on their way to it.
create function host_used_mib(p_host uuid) returns bigint
language sql stable as $$
    select coalesce(sum(memory_mib), 0)::bigint from vms where host_id = p_host or target_host_id = p_host
$$;

-- A domain with the VM's id runs there although the manager did not place it.
create function vm_foreign_host(p_vm uuid) returns text
language sql stable as $$
    select min(h.name) from foreign_domains f join hosts h on h.id = f.host_id
    where f.domain_uuid = p_vm and h.connected and h.status in ('initializing', 'up')
$$;

create function random_mac() returns text
language sql volatile as $$
    select '52:54:00:' || substr(r, 1, 2) || ':' || substr(r, 3, 2) || ':' || substr(r, 5, 2)
    from (select replace(gen_random_uuid()::text, '-', '') as r) x
$$;

create function vm_write_devices(p_vm uuid, p_definition jsonb) returns void
language plpgsql volatile as $$
begin
    if p_definition ? 'disks' then
        delete from vm_disks where vm_id = p_vm;
        insert into vm_disks (vm_id, ordinal, source, format, bus, readonly, bootable)
        select p_vm, (ord - 1)::integer, d ->> 'source', coalesce(d ->> 'format', 'raw'), coalesce(d ->> 'bus', 'virtio'),
               coalesce((d ->> 'readonly')::boolean, false), coalesce((d ->> 'bootable')::boolean, false)
        from jsonb_array_elements(p_definition -> 'disks') with ordinality e (d, ord);
    end if;
    if p_definition ? 'nics' then
        delete from vm_nics where vm_id = p_vm;
        insert into vm_nics (vm_id, ordinal, name, network, mac, model)
        select p_vm, (ord - 1)::integer, coalesce(n ->> 'name', 'nic' || ord), n ->> 'network',
               coalesce(nullif(lower(n ->> 'mac'), ''), random_mac()), coalesce(n ->> 'model', 'virtio')
        from jsonb_array_elements(p_definition -> 'nics') with ordinality e (n, ord);
    end if;
end $$;

-- What a definition asks for, put into words when a table's check refuses it.
create function vm_refuse_definition(p_constraint text, p_message text) returns void
language plpgsql as $$
begin
    perform refuse(400, case
        when p_constraint like 'vms_memory%' then 'The memory of a VM is 4 to 16777216 MiB.'
        when p_constraint like 'vms_cpus%' then 'A VM has 1 to 512 CPUs.'
        when p_constraint like 'vms_priority%' then 'The priority of a VM is 0 to 100.'
        when p_constraint like 'vms_display%' then 'The display of a VM is vnc, spice or none.'
        when p_constraint like 'vms_affinity%' then 'The affinity of a VM is migratable, user_migratable or pinned.'
        when p_constraint like 'vms_name%' then 'The name of a VM has 1 to 255 characters.'
        when p_constraint like 'vm_disks%' then 'A disk has a source (an absolute path or an NBD URI), a format (raw, qcow2) and a bus (virtio, ide, scsi, sata); a VM has at most 26.'
        when p_constraint like 'vm_nics%' then 'A NIC has a network, a MAC address (52:54:00:01:02:03) and a model (virtio, e1000, rtl8139); a VM has at most 26.'
        else 'The definition of the VM is not valid: ' || p_message end);
end $$;

-- Keys: name, cluster_id, template_id, memory_mib, cpus, priority, display, affinity, pinned_host_id, trusted_host_flag,
-- description, comment, origin, disks [{source, format, bus, readonly, bootable}], nics [{name, network, mac, model}].
create function vm_add(p_definition jsonb) returns uuid
language plpgsql volatile as $$
declare
    v_id uuid;
    v_cluster clusters;
    d jsonb := jsonb_strip_nulls(p_definition);
    v_constraint text;
    v_table text;
begin
    select * into v_cluster from clusters where id = (d ->> 'cluster_id')::uuid for share;
    if not found then
        perform refuse(404, format('There is no cluster %s.', coalesce(d ->> 'cluster_id', '(none given)')));
    end if;
    perform vm_check_pinned((d ->> 'pinned_host_id')::uuid, v_cluster.id);
    insert into vms (cluster_id, template_id, name, description, comment, memory_mib, cpus, priority, display, affinity, pinned_host_id,
                     trusted_host_flag, origin, created_in_trusted)
    values (v_cluster.id, (d ->> 'template_id')::uuid, d ->> 'name', coalesce(d ->> 'description', ''), coalesce(d ->> 'comment', ''),
            coalesce((d ->> 'memory_mib')::bigint, 1024), coalesce((d ->> 'cpus')::integer, 1), coalesce((d ->> 'priority')::integer, 1),
            coalesce(d ->> 'display', 'vnc'), coalesce(d ->> 'affinity', 'migratable'), (d ->> 'pinned_host_id')::uuid,
            coalesce((d ->> 'trusted_host_flag')::boolean, false), coalesce(nullif(d ->> 'origin', ''), 'trustpool'), v_cluster.trusted_service)
    returning id into v_id;
    perform vm_write_devices(v_id, d);
    perform log_event('VM_ADDED', 'normal', format('VM %s was added to cluster %s.', d ->> 'name', v_cluster.name), v_cluster.id, null, v_id);
    return v_id;
exception
    when unique_violation then
        perform refuse(409, format('There is a VM with the name %s already.', d ->> 'name'));
    when foreign_key_violation then
        perform refuse(404, format('There is no template %s.', d ->> 'template_id'));
    when check_violation or not_null_violation then
        get stacked diagnostics v_constraint = constraint_name, v_table = table_name;
        perform vm_refuse_definition(coalesce(nullif(v_constraint, ''), v_table || '_name'), sqlerrm);
    when invalid_text_representation or numeric_value_out_of_range then
        perform vm_refuse_definition('', sqlerrm);
end $$;

create function vm_check_pinned(p_host uuid, p_cluster uuid) returns void
language plpgsql as $$
begin
    if p_host is not null and not exists (select from hosts where id = p_host and cluster_id = p_cluster) then
        perform refuse(409, format('Host %s, to which the VM is pinned, is not in the VM''s cluster.',
                                   coalesce((select name from hosts where id = p_host), p_host::text)));
    end if;
end $$;

-- Keys that are missing stay, and so does what p_before (what the caller had read before he changed it) has the same:
-- somebody else may have changed that meanwhile. pinned_host_id null unpins. While the VM is not down only name, description, comment,
-- priority and affinity may change (the other keys may be given with what they are).
create function vm_update(p_vm uuid, p_definition jsonb, p_before jsonb default null) returns void
language plpgsql volatile as $$
declare
    v_vm vms;
    d jsonb := (select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(p_definition) e
                where p_before is null or e.value is distinct from p_before -> e.key);
    v_new vms;
    v_constraint text;
    v_table text;
    v_devices boolean;
begin
    perform 1 from clusters where id = (d ->> 'cluster_id')::uuid for share;
    select * into v_vm from vms where id = p_vm for no key update;
    if not found then
        perform refuse(404, format('There is no VM %s.', p_vm));
    end if;
    v_new := v_vm;
    v_new.name := coalesce(d ->> 'name', v_vm.name);
    v_new.description := coalesce(d ->> 'description', v_vm.description);
    v_new.comment := coalesce(d ->> 'comment', v_vm.comment);
    v_new.priority := coalesce((d ->> 'priority')::integer, v_vm.priority);
    v_new.affinity := coalesce(d ->> 'affinity', v_vm.affinity);
    v_new.cluster_id := coalesce((d ->> 'cluster_id')::uuid, v_vm.cluster_id);
    v_new.template_id := coalesce((d ->> 'template_id')::uuid, v_vm.template_id);
    v_new.memory_mib := coalesce((d ->> 'memory_mib')::bigint, v_vm.memory_mib);
    v_new.cpus := coalesce((d ->> 'cpus')::integer, v_vm.cpus);
    v_new.display := coalesce(d ->> 'display', v_vm.display);
    v_new.trusted_host_flag := coalesce((d ->> 'trusted_host_flag')::boolean, v_vm.trusted_host_flag);
    if d ? 'pinned_host_id' then
        v_new.pinned_host_id := (d ->> 'pinned_host_id')::uuid;
    end if;
    if not exists (select from clusters where id = v_new.cluster_id) then
        perform refuse(404, format('There is no cluster %s.', v_new.cluster_id));
    end if;
    if (v_new.pinned_host_id, v_new.cluster_id) is distinct from (v_vm.pinned_host_id, v_vm.cluster_id) then
        perform vm_check_pinned(v_new.pinned_host_id, v_new.cluster_id);
    end if;
    v_devices := (d ? 'disks' and jsonb_array_length(d -> 'disks') > 0
                  and (select coalesce(jsonb_agg(jsonb_build_array(source, format, bus, readonly, bootable) order by ordinal), '[]') from vm_disks where vm_id = p_vm)
                      <> (select jsonb_agg(jsonb_build_array(e ->> 'source', coalesce(e ->> 'format', 'raw'), coalesce(e ->> 'bus', 'virtio'),
                              coalesce((e ->> 'readonly')::boolean, false), coalesce((e ->> 'bootable')::boolean, false))) from jsonb_array_elements(d -> 'disks') e))
              or (d ? 'disks' and jsonb_array_length(d -> 'disks') = 0 and exists (select from vm_disks where vm_id = p_vm))
              or (d ? 'nics' and (select coalesce(jsonb_agg(jsonb_build_array(network, mac, model) order by ordinal), '[]') from vm_nics where vm_id = p_vm)
                      <> (select coalesce(jsonb_agg(jsonb_build_array(e ->> 'network', lower(e ->> 'mac'), coalesce(e ->> 'model', 'virtio'))), '[]')
                          from jsonb_array_elements(d -> 'nics') e));
    if v_vm.status <> 'down'
       and (coalesce(v_devices, true)
            or (v_new.cluster_id, v_new.template_id, v_new.memory_mib, v_new.cpus, v_new.display, v_new.trusted_host_flag, v_new.pinned_host_id)
                is distinct from (v_vm.cluster_id, v_vm.template_id, v_vm.memory_mib, v_vm.cpus, v_vm.display, v_vm.trusted_host_flag, v_vm.pinned_host_id)) then
        perform refuse(409, format('VM %s is %s. Stop it before its definition is changed (name, description, comment, priority and affinity may change while it runs).',
                                   v_vm.name, v_vm.status));
    end if;
    update vms set (name, description, comment, priority, affinity, cluster_id, template_id, memory_mib, cpus, display, trusted_host_flag, pinned_host_id)
        = (v_new.name, v_new.description, v_new.comment, v_new.priority, v_new.affinity, v_new.cluster_id, v_new.template_id, v_new.memory_mib,
           v_new.cpus, v_new.display, v_new.trusted_host_flag, v_new.pinned_host_id)
    where id = p_vm;
    if coalesce(v_devices, true) then
        perform vm_write_devices(p_vm, d);
    end if;
exception
    when unique_violation then
        perform refuse(409, format('There is a VM with the name %s already.', d ->> 'name'));
    when foreign_key_violation then
        perform refuse(404, format('There is no template %s.', d ->> 'template_id'));
    when check_violation or not_null_violation then
        get stacked diagnostics v_constraint = constraint_name, v_table = table_name;
        perform vm_refuse_definition(coalesce(nullif(v_constraint, ''), v_table || '_name'), sqlerrm);
    when invalid_text_representation or numeric_value_out_of_range then
        perform vm_refuse_definition('', sqlerrm);
end $$;

create function vm_remove(p_vm uuid) returns void
language plpgsql volatile as $$
declare
    v_vm vms;
begin
    select * into v_vm from vms where id = p_vm for update;
    if not found then
        perform refuse(404, format('There is no VM %s.', p_vm));
    end if;
    if v_vm.status <> 'down' then
        perform refuse(409, format('VM %s is %s. Stop it before it is removed.', v_vm.name, v_vm.status));
    end if;
    delete from vms where id = p_vm;
    perform log_event('VM_REMOVED', 'normal', format('VM %s was removed.', v_vm.name), v_vm.cluster_id);
end $$;

-- Why the VM may not be placed on this host, or null where it may. The rows must be locked by the caller when the answer
-- is to be acted on; then the clock is read here, after the locks were granted (rule TRUST).
create function placement_refusal(v vms, h hosts) returns text
language plpgsql volatile as $$
declare
    v_free bigint;
begin
    if h.cluster_id <> v.cluster_id then
        return format('Host %s is in another cluster than VM %s.', h.name, v.name);
    end if;
    if h.id = v.host_id then
        return format('VM %s is on host %s already.', v.name, h.name);
    end if;
    if h.status <> 'up' then
        return format('Host %s is %s%s; VMs are placed only on hosts that are up.', h.name, h.status,
                      case when h.reason <> '' then ' (' || h.reason || ')' else '' end);
    end if;
    if not h.connected then
        return format('Host %s is not connected.', h.name);
    end if;
    if not h.listed then
        return format('Host %s has just connected and its domains are still being compared. Try again.', h.name);
    end if;
    if v.affinity = 'pinned' and v.pinned_host_id <> h.id then
        return format('VM %s is pinned to host %s.', v.name, (select name from hosts where id = v.pinned_host_id));
    end if;
    if requires_trust(v.id) then
        if h.verdict <> 'trusted' or h.valid_until is null then
            return format('Host %s is not attested as trusted (its verdict is %s), and VM %s requires trust.', h.name, h.verdict, v.name);
        end if;
        if h.valid_until <= clock_timestamp() then
            return format('The verdict on host %s has expired, and VM %s requires trust.', h.name, v.name);
        end if;
    end if;
    v_free := h.memory_mib - host_used_mib(h.id);
    if v_free < v.memory_mib then
        return format('Host %s has %s MiB of memory free and VM %s needs %s MiB.', h.name, greatest(v_free, 0), v.name, v.memory_mib);
    end if;
    return null;
end $$;

-- Why the VM may not be started (start) or moved (migrate) at all, or null.
create function movement_refusal(v vms, p_kind text) returns text
language plpgsql volatile as $$
declare
    v_host hosts;
begin
    if v.status = 'unknown' then
        return format('VM %s is unknown: host %s, where it ran, is not responding. If the host is dead, confirm that first (fence).',
                      v.name, (select name from hosts where id = v.host_id));
    end if;
    if v.operation is not null then
        return format('VM %s is %s: another operation is under way. Wait until it has ended.', v.name, v.status);
    end if;
    if p_kind = 'start' then
        if v.status <> 'down' then
            return format('VM %s is %s; only a VM that is down can be started.', v.name, v.status);
        end if;
        if vm_foreign_host(v.id) is not null then
            return format('A domain with the id of VM %s runs on host %s, where the manager did not place it. Stop it there first.',
                          v.name, vm_foreign_host(v.id));
        end if;
        return null;
    end if;
    if v.status not in ('up', 'paused') then
        return format('VM %s is %s; only a VM that is up or paused can migrate.', v.name, v.status);
    end if;
    if v.affinity = 'pinned' then
        return format('VM %s is pinned by its placement policy and cannot migrate.', v.name);
    end if;
    select * into v_host from hosts where id = v.host_id;
    if not v_host.connected or not v_host.listed then
        return format('Host %s, where VM %s runs, is not connected.', v_host.name, v.name);
    end if;
    return null;
end $$;

-- What the VM's operations of long ago were, nobody asks any more (rule BOUNDED). The VM's row is locked by the caller.
create function operations_forget(p_vm uuid) returns void language sql volatile as $$
    delete from operations where vm_id = p_vm and ended_at < clock_timestamp() - interval '1 day'
$$;

-- The placement transaction (rule TRUST): after it has committed, and only then, libvirt is called, on the connection
-- with the generation that was checked. Locks the host, then the VM. The same operation again returns the same.
create function place_vm(p_operation uuid, p_kind text, p_vm uuid, p_host uuid, p_generation bigint, p_evacuation boolean)
returns table (generation bigint, source uuid)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_host hosts;
    v_vm vms;
    v_operation operations;
    v_why text;
begin
    if p_kind not in ('start', 'migrate') then
        perform refuse(400, format('The kind of a placement is start or migrate, not %s.', p_kind));
    end if;
    perform lock_hosts(array[p_host]);
    perform 1 from vms where id = p_vm for no key update;
    if not found then
        perform refuse(404, format('There is no VM %s.', p_vm));
    end if;
    select * into v_host from hosts where id = p_host;
    if not found then
        perform refuse(404, format('There is no host %s.', p_host));
    end if;
    select * into v_vm from vms where id = p_vm;
    select * into v_operation from operations where id = p_operation;
    if found then
        if (v_operation.kind, v_operation.vm_id, v_operation.host_id) is distinct from (p_kind, p_vm, p_host) then
            perform refuse(400, format('Operation %s was used for something else.', p_operation));
        end if;
        return query select v_host.generation, v_operation.source_id;
        return;
    end if;
    v_why := coalesce(movement_refusal(v_vm, p_kind), placement_refusal(v_vm, v_host));
    if v_why is null and v_host.generation <> p_generation then
        v_why := format('Host %s has been connected anew since it was chosen. Try again.', v_host.name);
    end if;
    if v_why is not null then
        perform refuse(409, v_why);
    end if;
    perform operations_forget(p_vm);
    insert into operations (id, kind, vm_id, host_id, source_id, evacuation, paused)
    values (p_operation, p_kind, p_vm, p_host, v_vm.host_id, p_evacuation, v_vm.status = 'paused');
    if p_kind = 'start' then
        update vms set status = 'wait_for_launch', host_id = p_host, operation = p_operation, status_detail = '', machine = v_host.machine,
            cpu_id = (select c.cpu_id from clusters c where c.id = v_vm.cluster_id)
        where id = p_vm;
    else
        update vms set status = 'migrating', target_host_id = p_host, operation = p_operation, status_detail = '' where id = p_vm;
        update evacuations set waiting_reported = false where host_id = v_vm.host_id and waiting_reported;
    end if;
    return query select v_host.generation, v_vm.host_id;
end $$;

-- All hosts of the VM's cluster, the most free memory first: may it be placed there now, and why not. It ranks and
-- explains; place_vm decides.
create function candidate_hosts(p_vm uuid)
returns table (id uuid, name text, attestation_id text, generation bigint, free_mib bigint, passes boolean, why text)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    if not exists (select from vms v where v.id = p_vm) then
        perform refuse(404, format('There is no VM %s.', p_vm));
    end if;
    return query
        select h.id, h.name, h.attestation_id, h.generation, h.memory_mib - host_used_mib(h.id) as free, r.why is null, coalesce(r.why, '')
        from vms v join hosts h on h.cluster_id = v.cluster_id
        cross join lateral (select coalesce(movement_refusal(v, case v.status when 'down' then 'start' else 'migrate' end),
                                            placement_refusal(v, h)) as why) r
        where v.id = p_vm
        order by (r.why is null) desc, free desc, h.name;
end $$;

-- A VM is to be stopped: where libvirt is to be asked, on which connection. The same operation again returns the same.
create function stop_vm(p_operation uuid, p_vm uuid) returns table (host uuid, generation bigint)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_vm vms;
    v_host hosts;
begin
    select * into v_vm from vms where id = p_vm for no key update;
    if not found then
        perform refuse(404, format('There is no VM %s.', p_vm));
    end if;
    if exists (select from operations where id = p_operation) then
        return query select h.id, h.generation from operations o join hosts h on h.id = o.host_id
            where o.id = p_operation and o.kind = 'stop' and o.vm_id = p_vm;
        if not found then
            perform refuse(400, format('Operation %s was used for something else.', p_operation));
        end if;
        return;
    end if;
    if v_vm.status = 'unknown' then
        perform refuse(409, format('VM %s is unknown: host %s, where it ran, is not responding. If the host is dead, confirm that first (fence).',
                                   v_vm.name, (select name from hosts h where h.id = v_vm.host_id)));
    end if;
    if v_vm.status not in ('up', 'paused') or v_vm.operation is not null then
        perform refuse(409, format('VM %s is %s; only a VM that is up or paused can be stopped.', v_vm.name, v_vm.status));
    end if;
    select * into v_host from hosts h where h.id = v_vm.host_id;
    if not v_host.connected or not v_host.listed then
        perform refuse(409, format('Host %s, where VM %s runs, is not connected.', v_host.name, v_vm.name));
    end if;
    perform operations_forget(p_vm);
    insert into operations (id, kind, vm_id, host_id) values (p_operation, 'stop', p_vm, v_vm.host_id);
    update vms set status = 'powering_down', operation = p_operation where id = p_vm;
    return query select v_host.id, v_host.generation;
end $$;

-- How an operation ended: 'done' or 'failed'. Once; ending it again changes nothing.
create function operation_end(p_operation uuid, p_outcome text, p_detail text default '') returns void
language plpgsql volatile as $$
declare
    o operations;
    v vms;
    h hosts; -- where the VM is afterwards
    v_done boolean := p_outcome = 'done';
begin
    if p_outcome not in ('done', 'failed') then
        perform refuse(400, format('An operation ends as done or failed, not as %s.', p_outcome));
    end if;
    select * into o from operations where id = p_operation;
    if not found then
        perform refuse(404, format('There is no operation %s.', p_operation));
    end if;
    perform lock_hosts(array[o.host_id, o.source_id]);
    perform 1 from vms where id = o.vm_id for no key update;
    select * into o from operations where id = p_operation for no key update;
    if not found or o.ended_at is not null then
        return;
    end if;
    update operations set ended_at = clock_timestamp(), outcome = p_outcome, detail = coalesce(left(p_detail, 1024), '') where id = p_operation;
    select * into v from vms where id = o.vm_id;
    if v.operation is distinct from p_operation then
        return;
    end if;
    select * into h from hosts where id = case when o.kind = 'migrate' and not v_done then o.source_id else o.host_id end;
    if (o.kind = 'start' and not v_done) or (o.kind = 'stop' and v_done) or h.id = any(o.gone) then
        update vms set status = 'down', host_id = null, target_host_id = null, operation = null, status_detail = coalesce(left(p_detail, 1024), '')
        where id = v.id;
    else
        update vms set status = case when not h.connected then 'unknown' when o.paused then 'paused' else 'up' end, host_id = h.id, target_host_id = null, operation = null,
            status_detail = case when v_done then '' else coalesce(left(p_detail, 1024), '') end,
            started_at = case when o.kind = 'start' then clock_timestamp() else started_at end
        where id = v.id;
    end if;
    perform operation_event(o, v, v_done, coalesce(p_detail, ''));
    if h.id = any(o.gone) and not (o.kind = 'stop' and v_done) and not (o.kind = 'start' and not v_done) then
        perform log_event('VM_DOWN', 'normal', format('VM %s is down.', v.name), v.cluster_id, h.id, v.id);
    end if;
    perform evacuation_needed(h.id);
    perform notify_manager('evacuation');
end $$;

-- The audit event of an operation's end.
create function operation_event(o operations, v vms, p_done boolean, p_detail text) returns void
language plpgsql volatile as $$
declare
    v_host text := (select name from hosts where id = o.host_id);
    v_source text := (select name from hosts where id = o.source_id);
    v_why text := case when p_detail <> '' then ': ' || p_detail else '.' end;
begin
    perform log_event(e.name, e.severity, e.text, v.cluster_id, o.host_id, v.id)
    from (values
        ('start', true, 'VM_STARTED', 'normal', format('VM %s was started on host %s.', v.name, v_host)),
        ('start', false, 'VM_START_FAILED', 'error', format('VM %s could not be started on host %s%s', v.name, v_host, v_why)),
        ('migrate', true, 'VM_MIGRATED', 'normal', format('VM %s migrated from host %s to host %s.', v.name, v_source, v_host)),
        ('migrate', false, case when o.evacuation then 'VM_MIGRATION_TRY_FAILED' else 'VM_MIGRATION_FAILED' end,
            case when o.evacuation then 'warning' else 'error' end,
            format('VM %s could not migrate from host %s to host %s%s', v.name, v_source, v_host, v_why)),
        ('stop', true, 'VM_STOPPED', 'normal', format('VM %s was stopped.', v.name)),
        ('stop', false, 'VM_STOP_FAILED', 'error', format('VM %s could not be stopped on host %s%s', v.name, v_host, v_why))
    ) as e (kind, done, name, severity, text)
    where e.kind = o.kind and e.done = p_done;
end $$;

-- Operations without an end. At the manager's start nobody works on them: domains_listed ends them.
create function operations_orphaned() returns table (id uuid, kind text, vm_id uuid, host_id uuid, source_id uuid)
language sql stable as $$
    select id, kind, vm_id, host_id, source_id from operations where ended_at is null order by begun_at, id
$$;

-- What libvirt says of one domain: started, resumed, suspended, stopped, crashed, migrated_away, arrived. Believed about a
-- VM that was placed on that host, unless an operation on it is under way: then only that it stopped is remembered.
-- p_age: how long ago the event came. What came before the VM was placed there (again) is about an earlier domain.
create function domain_event(p_host uuid, p_generation bigint, p_vm uuid, p_what text, p_age interval default '0') returns void
language plpgsql volatile as $$
declare
    h hosts;
    v vms;
    v_came timestamptz := clock_timestamp() - p_age; -- read before the locks
begin
    if p_what not in ('started', 'resumed', 'suspended', 'stopped', 'crashed', 'migrated_away', 'arrived') then
        perform refuse(400, format('There is no domain event %s.', p_what));
    end if;
    perform lock_hosts(array[p_host]);
    perform 1 from vms where id = p_vm for no key update;
    select * into h from hosts where id = p_host and connected and generation = p_generation;
    if not found then
        return;
    end if;
    select * into v from vms where id = p_vm;
    if not found or p_host is distinct from v.host_id and p_host is distinct from v.target_host_id then
        -- the event of a migration that failed may come after its end
        if p_what in ('started', 'arrived')
           and not exists (select from operations o where o.vm_id = p_vm and o.kind = 'migrate' and p_host in (o.host_id, o.source_id)
                           and o.ended_at > clock_timestamp() - interval '10 s') then
            perform domain_foreign(h, p_vm, coalesce(v.name, ''));
        elsif p_what in ('stopped', 'crashed', 'migrated_away') then
            delete from foreign_domains where host_id = p_host and domain_uuid = p_vm;
        end if;
        return;
    end if;
    if exists (select from operations o where o.vm_id = p_vm and o.kind in ('start', 'migrate') and o.host_id = p_host and o.begun_at > v_came) then
        return;
    end if;
    if v.operation is not null then
        update operations set gone = array_remove(gone, p_host) || case when p_what in ('stopped', 'crashed') then array[p_host] else '{}' end
        where id = v.operation and p_what in ('stopped', 'crashed', 'started', 'resumed', 'arrived');
        return;
    end if;
    if p_what in ('started', 'resumed', 'arrived') and v.status <> 'up' then
        update vms set status = 'up', status_detail = '' where id = p_vm;
        perform log_event('VM_RESUMED', 'normal', format('VM %s runs on host %s.', v.name, h.name), v.cluster_id, h.id, p_vm);
        perform evacuation_needed(p_host);
        perform notify_manager('evacuation');
    elsif p_what = 'suspended' and v.status <> 'paused' then
        update vms set status = 'paused' where id = p_vm;
        perform log_event('VM_PAUSED', 'warning', format('VM %s is paused on host %s.', v.name, h.name), v.cluster_id, h.id, p_vm);
    elsif p_what in ('stopped', 'crashed') then
        update vms set status = 'down', host_id = null, status_detail = '' where id = p_vm;
        perform log_event('VM_DOWN', case p_what when 'crashed' then 'error' else 'normal' end,
            case p_what when 'crashed' then format('VM %s crashed on host %s and is down.', v.name, h.name)
                        else format('VM %s on host %s is down.', v.name, h.name) end, v.cluster_id, h.id, p_vm);
        perform notify_manager('evacuation');
    elsif p_what = 'migrated_away' and v.status <> 'unknown' then
        update vms set status = 'unknown', status_detail = 'It left its host, and the manager did not move it.' where id = p_vm;
        perform log_event('VM_LOST', 'alert', format('VM %s left host %s, and the manager did not move it.', v.name, h.name),
            v.cluster_id, h.id, p_vm);
    end if;
end $$;

-- Reports, once, a domain that the manager did not place on the host: foreign, or a copy of a VM that it placed elsewhere.
create function domain_foreign(h hosts, p_domain uuid, p_name text) returns void
language plpgsql volatile as $$
declare
    v vms;
begin
    insert into foreign_domains (host_id, domain_uuid, name) values (h.id, p_domain, p_name) on conflict do nothing;
    if not found then
        return;
    end if;
    select * into v from vms where id = p_domain;
    if v.host_id is not null then
        perform log_event('VM_SECOND_COPY', 'alert',
            format('Host %s runs a domain with the id of VM %s, which was placed on host %s. Two copies may be running; neither is stopped.',
                   h.name, v.name, (select name from hosts where id = v.host_id)), h.cluster_id, h.id, v.id);
    else
        perform log_event('FOREIGN_DOMAIN', 'warning',
            format('Host %s runs domain %s, which the manager did not place there. It is left alone.', h.name,
                   coalesce(nullif(p_name, ''), p_domain::text)), h.cluster_id, h.id, v.id);
    end if;
end $$;

-- The domains of a host that has just connected: [{uuid, name, state: running | paused | shutoff}]. libvirt is the truth
-- about VMs that were placed on this host; what it says of others is reported. Operations without an end that concern
-- the host are ended here.
create function domains_listed(p_host uuid, p_generation bigint, p_domains jsonb) returns void
language plpgsql volatile as $$
declare
    h hosts;
    v_running uuid[];
    v_paused uuid[];
    v_hosts uuid[];
    d record;
begin
    -- the hosts at the other ends of operations are locked too, in the order of their ids
    select array_agg(distinct x) into v_hosts
    from operations o cross join lateral unnest(array[o.host_id, o.source_id]) x where o.ended_at is null and p_host in (o.host_id, o.source_id);
    perform lock_hosts(v_hosts || p_host);
    perform 1 from vms where host_id = p_host or target_host_id = p_host order by id for no key update;
    select * into h from hosts where id = p_host and connected and generation = p_generation;
    if not found then
        return;
    end if;
    select coalesce(array_agg(e.uuid) filter (where e.state = 'running'), '{}'), coalesce(array_agg(e.uuid) filter (where e.state = 'paused'), '{}')
    into v_running, v_paused
    from jsonb_to_recordset(p_domains) e (uuid uuid, state text);
    update hosts set listed = true where id = p_host;

    for d in select o.id, o.vm_id from operations o where o.ended_at is null and p_host in (o.host_id, o.source_id) order by o.vm_id loop
        update operations o set
            seen = array_remove(o.seen, p_host) || case when d.vm_id = any(v_running) then array[p_host] else '{}' end,
            seen_paused = array_remove(o.seen_paused, p_host) || case when d.vm_id = any(v_paused) then array[p_host] else '{}' end,
            missing = array_remove(o.missing, p_host) || case when d.vm_id = any(v_running || v_paused) then '{}' else array[p_host] end
        where o.id = d.id;
        perform operation_resolve(d.id);
    end loop;

    for d in
        select v.id, v.name, v.cluster_id, v.status::text, v.id = any(v_running) as runs, v.id = any(v_paused) as paused
        from vms v where v.host_id = p_host and v.operation is null order by v.id
    loop
        if not d.runs and not d.paused then
            update vms set status = 'down', host_id = null, status_detail = 'Its host came back without it.' where id = d.id;
            perform log_event('VM_LOST', 'error', format('VM %s is down: host %s does not run it any more.', d.name, h.name), d.cluster_id, p_host, d.id);
        elsif d.status <> (case when d.runs then 'up' else 'paused' end) then
            update vms set status = case when d.runs then 'up' else 'paused' end, status_detail = '' where id = d.id;
            perform log_event(case when d.runs then 'VM_FOUND' else 'VM_PAUSED' end, case when d.runs then 'normal' else 'warning' end,
                format('VM %s %s on host %s.', d.name, case when d.runs then 'runs' else 'is paused' end, h.name), d.cluster_id, p_host, d.id);
        end if;
    end loop;

    delete from foreign_domains where host_id = p_host and domain_uuid <> all(v_running || v_paused);
    for d in
        select e.uuid, e.name from jsonb_to_recordset(p_domains) e (uuid uuid, name text, state text)
        where e.state in ('running', 'paused')
          and not exists (select from vms v where v.id = e.uuid and p_host in (v.host_id, v.target_host_id))
        order by e.name
    loop
        perform domain_foreign(h, d.uuid, d.name);
    end loop;
    if h.fenced then
        update hosts set fenced = false where id = p_host;
        if exists (select from foreign_domains f join vms v on v.id = f.domain_uuid where f.host_id = p_host) then
            perform apply_host_event(array[p_host], 'copy_found');
        end if;
    end if;
    perform evacuation_needed(p_host);
    perform notify_manager('evacuation');
end $$;

-- Of these hosts, which have just connected and have no domains, those that should have none: there is nothing to
-- compare, and they are listed. Returns them; the others need domains_listed.
create function hosts_listed_empty(p_hosts uuid[], p_generations bigint[]) returns setof uuid
language plpgsql volatile as $$
begin
    perform lock_hosts(p_hosts);
    return query
        update hosts h set listed = true
        from unnest(p_hosts, p_generations) g (id, generation)
        where h.id = g.id and h.connected and h.generation = g.generation
          and h.status in ('initializing', 'up', 'maintenance') and h.reason = '' and not h.fenced
          and not exists (select from vms v where v.host_id = h.id)
          and not exists (select from vms v where v.target_host_id = h.id)
          and not exists (select from operations o where o.ended_at is null and h.id in (o.host_id, o.source_id))
          and not exists (select from foreign_domains f where f.host_id = h.id)
          and not exists (select from evacuations e where e.host_id = h.id)
        returning h.id;
    perform notify_manager('evacuation');
end $$;

-- Ends an operation that nobody works on, as soon as the hosts that know have said where the VM is. Where both may have
-- it, the target's word decides: a source that is not trusted is not believed about a VM that may have left it.
create function operation_resolve(p_operation uuid) returns void
language plpgsql volatile as $$
declare
    o operations;
    v_source_says text;
    v_target_says text;
    v_source_believed boolean;
    v_why text := 'The manager was restarted.';
begin
    select * into o from operations where id = p_operation;
    v_target_says := case when o.host_id = any(o.seen) then 'running' when o.host_id = any(o.seen_paused) then 'paused'
                          when o.host_id = any(o.missing) then 'missing' end;
    if o.kind = 'start' then
        perform operation_end(p_operation, case when v_target_says = 'missing' then 'failed' else 'done' end, v_why);
        return;
    elsif o.kind = 'stop' then
        perform operation_end(p_operation, case when v_target_says = 'missing' then 'done' else 'failed' end, v_why);
        return;
    end if;
    v_source_says := case when o.source_id = any(o.seen) or o.source_id = any(o.seen_paused) then 'seen'
                          when o.source_id = any(o.missing) then 'missing' end;
    select not c.trusted_service or (h.status <> 'non_operational' and h.reason <> 'untrusted') into v_source_believed
    from hosts h join clusters c on c.id = h.cluster_id where h.id = o.source_id;
    if v_target_says = 'running' or (v_target_says = 'paused' and v_source_says = 'missing') then
        perform operation_end(p_operation, 'done', v_why);
    elsif v_source_says = 'seen' and (v_target_says is not null or v_source_believed) then
        perform operation_end(p_operation, 'failed', v_why);
    elsif v_source_says = 'missing' and v_target_says = 'missing' then
        update operations set gone = array[o.source_id] where id = p_operation;
        perform operation_end(p_operation, 'failed', 'Neither host of the migration runs it.');
    end if;
end $$;
