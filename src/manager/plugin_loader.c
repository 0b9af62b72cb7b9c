#include "manager/plugin_loader.h"
#include "trust/fault.h"
#include <dlfcn.h>
#include <string.h>

static const ClusterPlugin *
refuse(const char *path, GError **error, const char *why)
{
    g_set_error(error, FAULT, FAULT_INVALID, "plugin %s: %s", path, why);
    return NULL;
}

const ClusterPlugin *
plugin_load(const char *path, GError **error)
{
    void *library;
    const ClusterPlugin *plugin;
    g_autofree char *why = NULL;

    if (!g_path_is_absolute(path))
        return refuse(path, error, "must be an absolute path (dlopen would search for it)");
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return refuse(path, error, "there is no such file; see [manager] plugin in the configuration");
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return refuse(path, error, dlerror());
    plugin = dlsym(library, CLUSTER_PLUGIN_ENTRY);
    if (!plugin)
        return refuse(path, error, "is no cluster plugin: it lacks the symbol " CLUSTER_PLUGIN_ENTRY);
    if (plugin->abi != CLUSTER_PLUGIN_ABI) {
        why = g_strdup_printf(
            "was built for version %u of the plugin contract, this manager speaks version %u; rebuild it", plugin->abi,
            CLUSTER_PLUGIN_ABI);
        return refuse(path, error, why);
    }
    if (plugin->struct_size < sizeof(ClusterPlugin)) {
        why = g_strdup_printf("its table has %u bytes, this manager needs %zu; rebuild it", plugin->struct_size,
                              sizeof(ClusterPlugin));
        return refuse(path, error, why);
    }
    if (!plugin->name || !plugin->version || !plugin->sections || !plugin->start || !plugin->stop || !plugin->reload ||
        !plugin->hosts_event || !plugin->filter_hosts || !plugin->cluster_check || !plugin->vm_check ||
        !plugin->webhook)
        return refuse(path, error, "its table has an empty entry");
    return plugin;
}

char *
plugin_sample(const char *path)
{
    g_autoptr(GError) error = NULL;
    const ClusterPlugin *plugin = plugin_load(path, &error);
    const char *section = "";
    GString *text;

    if (!plugin)
        return g_strdup_printf("\n# The plugin's options are not known: %s\n", error->message);
    text = g_string_new(NULL);
    for (const ClusterPluginOption *option = plugin->options; option && option->name; option++) {
        if (strcmp(section, option->section) != 0)
            g_string_append_printf(text, "\n[%s]\n", section = option->section);
        g_string_append_printf(text, "# %s\n#%s = %s\n", option->help, option->name,
                               option->fallback ? option->fallback : "");
    }
    return g_string_free(text, FALSE);
}
