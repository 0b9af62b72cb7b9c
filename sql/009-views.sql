-- What users of oVirt's database know: its views, under its names. They are in a schema of their own because trustpool's
-- table of VMs has the name of oVirt's view: `set search_path = ovirt`, and the old queries work. Read only.
create schema ovirt;

create view ovirt.vds_groups as
select c.id as vds_group_id, c.name, c.description, c.comment as free_text_comment, c.cpu_id as cpu_name,
       c.version_major || '.' || c.version_minor as compatibility_version, c.data_center_id as storage_pool_id,
       d.name as storage_pool_name, c.trusted_service
from clusters c join data_centers d on d.id = c.data_center_id;

create view ovirt.vds as
select h.id as vds_id, h.name as vds_name, h.address as host_name, h.libvirt_uuid::text as vds_unique_id, h.comment as free_text_comment,
       h.cluster_id as vds_group_id, c.name as vds_group_name, c.cpu_id as vds_group_cpu_name, c.data_center_id as storage_pool_id,
       case h.status when 'down' then 1 when 'maintenance' then 2 when 'up' then 3 when 'non_responsive' then 4
                     when 'preparing_for_maintenance' then 9 when 'non_operational' then 10 when 'initializing' then 12 end as status,
       case when h.status <> 'non_operational' then 0 when h.reason = 'untrusted' then 12 when h.reason in ('not_attested', 'expired') then 13
            else 1 end as non_operational_reason,
       h.cpus as cpu_cores, h.memory_mib as physical_mem_mb,
       (select count(*) from vms v where v.host_id = h.id) as vm_count, c.trusted_service
from hosts h join clusters c on c.id = h.cluster_id;

create view ovirt.vms as
select v.id as vm_guid, v.name as vm_name, v.description, v.comment as free_text_comment, v.memory_mib as mem_size_mb,
       v.cpus as num_of_sockets, v.priority, v.cluster_id as vds_group_id, c.name as vds_group_name, c.data_center_id as storage_pool_id,
       v.template_id as vmt_guid, t.name as vmt_name,
       case v.status when 'down' then 0 when 'up' then 1 when 'paused' then 4 when 'migrating' then 5 when 'unknown' then 7
                     when 'wait_for_launch' then 9 when 'powering_down' then 16 end as status,
       v.host_id as run_on_vds, h.name as run_on_vds_name, v.target_host_id as migrating_to_vds, v.pinned_host_id as dedicated_vm_for_vds,
       case v.affinity when 'migratable' then 0 when 'user_migratable' then 1 else 2 end as migration_support,
       v.trusted_host_flag, c.trusted_service
from vms v join clusters c on c.id = v.cluster_id left join hosts h on h.id = v.host_id left join vm_templates t on t.id = v.template_id;

create view ovirt.vm_templates_view as
select t.id as vmt_guid, t.name, t.description, t.cluster_id as vds_group_id, c.name as vds_group_name, c.data_center_id as storage_pool_id,
       t.created_at as creation_date, t.trusted_service
from vm_templates t left join clusters c on c.id = t.cluster_id;
