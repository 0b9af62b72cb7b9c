-- Data centers and clusters.

create function data_center_add(p_name text, p_description text default '') returns uuid
language plpgsql volatile as $$
declare
    v_id uuid;
begin
    insert into data_centers (name, description) values (p_name, coalesce(p_description, '')) returning id into v_id;
    perform log_event('DATA_CENTER_ADDED', 'normal', format('Data center %s was added.', p_name));
    return v_id;
exception
    when unique_violation then
        perform refuse(409, format('There is a data center with the name %s already.', p_name));
    when check_violation or not_null_violation then
        perform refuse(400, 'The name of a data center has 1 to 255 characters.');
end $$;

create function data_center_remove(p_data_center uuid) returns void
language plpgsql volatile as $$
declare
    v_name text;
    v_names text;
begin
    select name into v_name from data_centers where id = p_data_center for update;
    if not found then
        perform refuse(404, format('There is no data center %s.', p_data_center));
    end if;
    select string_agg(name, ', ' order by name) into v_names from clusters where data_center_id = p_data_center;
    if v_names is not null then
        perform refuse(409, format('Data center %s has clusters: %s. Remove them first.', v_name, v_names));
    end if;
    delete from data_centers where id = p_data_center;
    perform log_event('DATA_CENTER_REMOVED', 'normal', format('Data center %s was removed.', v_name));
end $$;

create function cluster_add(p_data_center uuid, p_name text, p_description text, p_comment text, p_cpu_id text, p_major integer,
                            p_minor integer, p_trusted boolean, p_on_error text) returns uuid
language plpgsql volatile as $$
declare
    v_id uuid;
begin
    if p_on_error not in ('migrate', 'do_not_migrate', 'migrate_highly_available') then
        perform refuse(400, format('on_error [%s] is not one of migrate, do_not_migrate, migrate_highly_available.', p_on_error));
    end if;
    insert into clusters (data_center_id, name, description, comment, cpu_id, version_major, version_minor, trusted_service, on_error)
    values (p_data_center, p_name, coalesce(p_description, ''), coalesce(p_comment, ''), coalesce(p_cpu_id, ''), coalesce(p_major, 3),
            coalesce(p_minor, 6), coalesce(p_trusted, false), coalesce(p_on_error, 'migrate'))
    returning id into v_id;
    perform log_event('CLUSTER_ADDED', 'normal',
        format('Cluster %s was added%s.', p_name, case when p_trusted then '; it is trusted' else '' end), v_id);
    return v_id;
exception
    when unique_violation then
        perform refuse(409, format('There is a cluster with the name %s already.', p_name));
    when foreign_key_violation then
        perform refuse(404, format('There is no data center %s.', p_data_center));
    when check_violation or not_null_violation then
        perform refuse(400, 'The name of a cluster has 1 to 255 characters.');
end $$;

-- null: unchanged. The flag may change only while all hosts of the cluster are in maintenance and none of its VMs runs.
create function cluster_update(p_cluster uuid, p_name text, p_description text, p_comment text, p_cpu_id text, p_major integer,
                               p_minor integer, p_trusted boolean, p_on_error text) returns void
language plpgsql volatile as $$
declare
    v_cluster clusters;
    v_names text;
begin
    if p_on_error not in ('migrate', 'do_not_migrate', 'migrate_highly_available') then
        perform refuse(400, format('on_error [%s] is not one of migrate, do_not_migrate, migrate_highly_available.', p_on_error));
    end if;
    select * into v_cluster from clusters where id = p_cluster for no key update;
    if not found then
        perform refuse(404, format('There is no cluster %s.', p_cluster));
    end if;
    if p_trusted <> v_cluster.trusted_service then
        -- an activation waits for these locks, and reads the new flag then
        perform 1 from hosts where cluster_id = p_cluster order by id for no key update;
        select string_agg(name, ', ' order by name) into v_names from hosts where cluster_id = p_cluster and status <> 'maintenance';
        if v_names is not null then
            perform refuse(409, format('trusted_service of cluster %s cannot change while it has hosts that are not in maintenance: %s.',
                                       v_cluster.name, v_names));
        end if;
        select string_agg(name, ', ' order by name) into v_names from vms where cluster_id = p_cluster and status <> 'down';
        if v_names is not null then
            perform refuse(409, format('trusted_service of cluster %s cannot change while VMs run: %s.', v_cluster.name, v_names));
        end if;
    end if;
    update clusters set name = coalesce(p_name, name), description = coalesce(p_description, description),
        comment = coalesce(p_comment, comment), cpu_id = coalesce(p_cpu_id, cpu_id), version_major = coalesce(p_major, version_major),
        version_minor = coalesce(p_minor, version_minor), trusted_service = coalesce(p_trusted, trusted_service),
        on_error = coalesce(p_on_error, on_error)
    where id = p_cluster;
    if p_trusted <> v_cluster.trusted_service then
        perform log_event(case when p_trusted then 'CLUSTER_MADE_TRUSTED' else 'CLUSTER_MADE_UNTRUSTED' end, 'warning',
            format('Cluster %s is %s trusted.', coalesce(p_name, v_cluster.name), case when p_trusted then 'now' else 'no longer' end), p_cluster);
    end if;
    if p_name <> v_cluster.name then
        perform log_event('CLUSTER_UPDATED', 'normal', format('Cluster %s is now called %s.', v_cluster.name, p_name), p_cluster);
    end if;
exception
    when unique_violation then
        perform refuse(409, format('There is a cluster with the name %s already.', p_name));
    when check_violation then
        perform refuse(400, 'The name of a cluster has 1 to 255 characters.');
end $$;

create function cluster_remove(p_cluster uuid) returns void
language plpgsql volatile as $$
declare
    v_name text;
    v_hosts text;
    v_vms text;
begin
    select name into v_name from clusters where id = p_cluster for update;
    if not found then
        perform refuse(404, format('There is no cluster %s.', p_cluster));
    end if;
    select string_agg(name, ', ' order by name) into v_hosts from hosts where cluster_id = p_cluster;
    if v_hosts is not null then
        perform refuse(409, format('Cluster %s has hosts: %s. Remove or move them first.', v_name, v_hosts));
    end if;
    select string_agg(name, ', ' order by name) into v_vms from (
        select name from vms where cluster_id = p_cluster union all select name from vm_templates where cluster_id = p_cluster) v;
    if v_vms is not null then
        perform refuse(409, format('Cluster %s has VMs or templates: %s. Remove or move them first.', v_name, v_vms));
    end if;
    delete from clusters where id = p_cluster;
    perform log_event('CLUSTER_REMOVED', 'normal', format('Cluster %s was removed.', v_name));
end $$;
