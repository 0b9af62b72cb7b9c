-- The audit log and the notifications. docs/events.md lists the names.

create function notify_manager(p_what text) returns void language sql volatile as $$
    select pg_notify('trustpool', p_what)
$$;

-- Writes one event; the cluster defaults to the host's, else the VM's. p_severity: normal, warning, error, alert.
create function log_event(p_name text, p_severity text, p_description text, p_cluster uuid default null, p_host uuid default null,
                          p_vm uuid default null, p_user text default null) returns bigint
language plpgsql volatile as $$
declare
    v_id bigint;
begin
    insert into audit_log (name, severity, description, cluster_id, host_id, vm_id, user_name)
    values (p_name, p_severity, p_description,
            coalesce(p_cluster, (select cluster_id from hosts where id = p_host), (select cluster_id from vms where id = p_vm)),
            p_host, p_vm, p_user)
    returning id into v_id;
    perform notify_manager('events');
    return v_id;
end $$;

-- A refusal: p_code is 400, 404 or 409; the manager turns it into the answer's status.
create function refuse(p_code integer, p_message text) returns void language plpgsql as $$
begin
    raise exception using errcode = 'TP' || p_code, message = p_message;
end $$;
