"""The main job as the database sees it, and that everything the manager calls can be called."""


def test_a_host_that_turns_bad_is_emptied_and_comes_back_after_activation(db):
    cluster = db.cluster()
    a, b = db.up_host(cluster, "a"), db.up_host(cluster, "b")
    db.up_host(cluster, "c")
    vm = db.running_vm(cluster, "vm1", a)
    db.answer("untrusted", a)
    assert db.state(a) == ("non_operational", "untrusted")
    assert db.work() == ["vm1"]
    db.end(db.place("migrate", vm, b, evacuation=True))
    assert db.where(vm) == b
    db.rows("select evacuation_close()")
    assert db.evacuation(a) is None
    db.rows("select * from activate_host(%s)", a)
    db.answer("trusted", a)
    assert db.state(a) == ("up", "")
    assert [n for n in db.events() if not n.endswith("_ADDED")][6:] == [
        "VM_STARTED", "HOST_UNTRUSTED", "EVACUATION_STARTED", "VM_MIGRATED", "EVACUATION_DONE", "HOST_ACTIVATED", "HOST_UP"]


def test_ovirts_views_show_trusted_service(db):
    cluster = db.cluster("my_trust_cluster")
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host)
    assert db.value("select trusted_service from ovirt.vds_groups where name = 'my_trust_cluster'") is True
    assert db.value("select trusted_service from ovirt.vds_groups where name = 'Default'") is False
    assert db.row("select vds_group_name, status, trusted_service from ovirt.vds where vds_name = 'a'") == {
        "vds_group_name": "my_trust_cluster", "status": 3, "trusted_service": True}
    assert db.row("select run_on_vds, status, trusted_service from ovirt.vms where vm_name = 'vm1'") == {
        "run_on_vds": host, "status": 1, "trusted_service": True}
    assert db.row("select name, trusted_service from ovirt.vm_templates_view") == {"name": "Blank", "trusted_service": False}


def test_default_data_center_cluster_and_blank_template_exist(db):
    assert db.value("select d.name || '/' || c.name from clusters c join data_centers d on d.id = c.data_center_id") == "Default/Default"
    assert db.value("select name from vm_templates where id = '00000000-0000-0000-0000-000000000000'") == "Blank"
