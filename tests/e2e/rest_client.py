"""A small client of the REST API, on Python's standard library alone: the tests and the quickstart share it."""
import base64
import http.client
import ssl
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape


class Refused(Exception):
    """The server's answer was not the expected one; .status, .text (the fault's detail, or the body)."""

    def __init__(self, what, status, text):
        super().__init__('%s: %s: %s' % (what, status, text))
        self.status, self.text = status, text


def text_of(root, path, default=''):
    found = root.find(path) if root is not None else None
    return (found.text or default) if found is not None else default


class Rest:
    def __init__(self, url, user, password, ca, deadline=60):
        self.url, self.deadline = urllib.parse.urlsplit(url), deadline
        self.headers = {'Authorization': 'Basic ' + base64.b64encode(('%s:%s' % (user, password)).encode()).decode(),
                        'Accept': 'application/xml'}
        self.tls = ssl.create_default_context(cafile=ca)

    def raw(self, method, path, body=None):
        """(status, headers, bytes).  OSError or HTTPException when no answer came."""
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=self.deadline, context=self.tls)
        try:
            more = {'Content-Type': 'application/xml'} if body is not None else {}
            connection.request(method, path if path.startswith(self.url.path) else self.url.path + path, body, {**self.headers, **more})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, expect=(200, 201, 202, 204)):
        status, _, data = self.raw(method, path, body)
        root = None
        if data.strip().startswith(b'<'):
            root = ElementTree.fromstring(data)
        if status not in expect:
            detail = text_of(root, './/detail') or data.decode(errors='replace')
            raise Refused('%s %s' % (method, path), status, detail)
        return root

    def get(self, path):
        return self.call('GET', path)

    def list(self, collection):
        return list(self.get('/' + collection))

    def find(self, collection, name):
        """The resource with this name, or None."""
        return next((item for item in self.list(collection) if text_of(item, 'name') == name), None)

    def add(self, collection, body):
        return self.call('POST', '/' + collection, body, expect=(201,))

    def action(self, collection, name, action, body='<action/>'):
        item = self.find(collection, name)
        if item is None:
            raise Refused(action, 404, 'no %s named %s' % (collection[:-1], name))
        return self.call('POST', '/%s/%s/%s' % (collection, item.get('id'), action), body, expect=(200, 202))

    # --- the documents that the tests and the quickstart send ---

    def add_cluster(self, name, trusted=True, data_center='"Default"'):
        """The request of oVirt's design pages, word for word."""
        return self.add('clusters', '<cluster><name>%s</name><data_center><name>%s</name></data_center> <version minor="2" major="3"/> '
                        '<cpu id="Intel SandyBridge Family"/><trusted_service>%s</trusted_service></cluster>'
                        % (escape(name), escape(data_center), 'true' if trusted else 'false'))

    def add_host(self, name, address, cluster):
        return self.add('hosts', '<host><name>%s</name><address>%s</address><cluster><name>%s</name></cluster></host>'
                        % (escape(name), escape(address), escape(cluster)))

    def add_vm(self, name, cluster, disk=None, memory_mib=32, priority=1, affinity='migratable', more=''):
        disks = '<disks><disk><source>%s</source><format>raw</format><interface>virtio</interface></disk></disks>' % escape(disk) if disk else ''
        return self.add('vms', '<vm><name>%s</name><cluster><name>%s</name></cluster><template><name>Blank</name></template>'
                        '<memory>%d</memory><cpu><topology sockets="1" cores="1"/></cpu>'
                        '<high_availability><priority>%d</priority></high_availability>'
                        '<placement_policy><affinity>%s</affinity></placement_policy>%s%s</vm>'
                        % (escape(name), escape(cluster), memory_mib << 20, priority, affinity, disks, more))

    def start(self, name, host=None):
        where = '<vm><placement_policy><host id="%s"/></placement_policy></vm>' % self.find('hosts', host).get('id') if host else ''
        return self.action('vms', name, 'start', '<action>%s</action>' % where)

    def migrate(self, name, host):
        return self.action('vms', name, 'migrate', '<action><host id="%s"/></action>' % self.find('hosts', host).get('id'))

    def host_state(self, name):
        """(status, reason)"""
        host = self.find('hosts', name)
        return text_of(host, 'status/state'), text_of(host, 'status/detail')

    def vm_state(self, name):
        """(status, id of the host where it is)"""
        vm = self.find('vms', name)
        host = vm.find('host') if vm is not None else None
        return text_of(vm, 'status/state'), host.get('id') if host is not None else None

    def events(self):
        """(name or code, description), oldest first."""
        found = [(int(event.get('id')), text_of(event, 'name') or text_of(event, 'code'), text_of(event, 'description'))
                 for event in self.list('events')]
        return [(name, text) for _, name, text in sorted(found)]


def wait_for_server(rest, alive, deadline=90):
    """Until the server answers.  alive() is false once its process has ended."""
    end = time.monotonic() + deadline
    while True:
        try:
            return rest.get('')
        except (OSError, http.client.HTTPException, Refused) as error:
            if not alive():
                raise AssertionError('the daemon has ended') from error
            if time.monotonic() > end:
                raise AssertionError('the daemon does not answer: %s' % error) from error
        time.sleep(0.1)
