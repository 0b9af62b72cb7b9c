-- What exists from the start, as in oVirt. The Blank template has oVirt's id.
insert into data_centers (name, description) values ('Default', 'The default data center');
insert into clusters (data_center_id, name, description)
select id, 'Default', 'The default cluster' from data_centers where name = 'Default';
insert into vm_templates (id, name, description) values ('00000000-0000-0000-0000-000000000000', 'Blank', 'A template with nothing in it');
