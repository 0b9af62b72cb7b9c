/*
 * resources.h: each resource's pair, from XML and to XML. Pure: no store, no manager.
 *
 * from_xml writes what the document gives over what the input holds, so that what is not given keeps its value (PUT) or
 * its default (POST). Every function is in the file of its resource.
 */
#ifndef REST_RESOURCES_H
#define REST_RESOURCES_H

#include "rest/document.h"
#include "rest/xml_writer.h"
#include "store/clusters.h"
#include "store/data_centers.h"
#include "store/events.h"
#include "store/hosts.h"
#include "store/progress.h"
#include "store/templates.h"
#include "store/vms.h"

/* Members that every resource has and no request can set. */
#define RESOURCE_MEMBERS                                                                                               \
    {.name = "actions"}, {.name = "creation_status"},                                                                  \
    {                                                                                                                  \
        .name = "link"                                                                                                 \
    }

bool data_center_from_xml(const Element *root, DataCenter *data_center, GError **error);
void data_center_to_xml(XmlWriter *writer, const char *root, const DataCenter *data_center);

typedef struct {
    Cluster *cluster; /* belongs to the caller */
    Reference data_center;
} ClusterInput;
void cluster_input_clear(ClusterInput *input);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ClusterInput, cluster_input_clear)
bool cluster_from_xml(const Element *root, ClusterInput *input, GError **error);
void cluster_to_xml(XmlWriter *writer, const char *root, const Cluster *cluster);

typedef struct {
    Host *host; /* belongs to the caller */
    Reference cluster;
} HostInput;
void host_input_clear(HostInput *input);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostInput, host_input_clear)
bool host_from_xml(const Element *root, HostInput *input, GError **error);
void host_to_xml(XmlWriter *writer, const char *root, const Host *host);

typedef struct {
    Vm *vm; /* belongs to the caller */
    Reference cluster;
    Reference template;
    Reference pinned_host;
} VmInput;
void vm_input_clear(VmInput *input);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmInput, vm_input_clear)
bool vm_from_xml(const Element *root, VmInput *input, GError **error);
/* vm_devices.c: members <disks> and <nics>; into is the VmInput. What is given replaces all there was. */
bool vm_read_disks(const Element *element, void *into, GError **error);
bool vm_read_nics(const Element *element, void *into, GError **error);
void vm_write_devices(XmlWriter *writer, const Vm *vm);
void vm_to_xml(XmlWriter *writer, const char *root, const Vm *vm);

void template_to_xml(XmlWriter *writer, const char *root, const Template *template);
void evacuation_to_xml(XmlWriter *writer, const char *root, const EvacuationProgress *progress);
void event_to_xml(XmlWriter *writer, const char *root, const Event *event);

/* The body of an action. */
typedef struct {
    bool leave_running; /* hosts' deactivate */
    char *fence_type;   /* hosts' fence; NULL: not given */
    Reference host;     /* VMs' start and migrate */
} ActionInput;
void action_input_clear(ActionInput *input);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ActionInput, action_input_clear)
bool action_from_xml(const Element *root, ActionInput *input, GError **error);

#endif
