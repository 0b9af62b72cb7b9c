"""What the tests say of a trustpool database: short names for its functions, and a small pool to try them on."""

import threading
import time
import uuid

import psycopg2
import psycopg2.extras


class Refused(Exception):
    """A refusal of the schema: `code` is TP400, TP404 or TP409."""

    def __init__(self, error):
        super().__init__(error.diag.message_primary)
        self.code = error.pgcode


class Session:
    """One session; each call is one transaction, unless begin() opened one."""

    def __init__(self, connection):
        self.connection = connection

    def rows(self, sql, *parameters):
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            try:
                cursor.execute(sql, parameters or None)
            except psycopg2.Error as error:
                if error.pgcode and error.pgcode.startswith("TP"):
                    raise Refused(error) from None
                raise
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def row(self, sql, *parameters):
        return self.rows(sql, *parameters)[0]

    def value(self, sql, *parameters):
        return next(iter(self.row(sql, *parameters).values()))

    def begin(self):
        self.rows("begin")

    def commit(self):
        self.rows("commit")

    def pid(self):
        return self.connection.info.backend_pid


class Pool(Session):
    """A database and a first session, with what most tests begin from."""

    def __init__(self, connect):
        super().__init__(connect())
        self.connect = connect
        self.sessions = []

    def session(self):
        session = Session(self.connect())
        self.sessions.append(session)
        return session

    def close(self):
        for session in [self, *self.sessions]:
            session.connection.close()

    # --- making things ---
    def cluster(self, name="trusted", trusted=True):
        return self.value("select cluster_add((select id from data_centers), %s, '', '', '', 3, 6, %s, 'migrate')", name, trusted)

    def host(self, cluster, name, connected=True, memory=8192):
        """A host in maintenance; connected and compared unless told otherwise."""
        host = self.value("select host_add(%s, %s, %s)", cluster, name, name + ".example")
        if connected:
            self.connect_host(host, memory)
        return host

    def connect_host(self, host, memory=8192, libvirt_uuid=None, domains="[]"):
        pinned = self.value("select libvirt_uuid from hosts where id = %s", host)
        made = self.row("select * from host_connected(%s, %s, %s, 4)", host, libvirt_uuid or pinned or uuid.uuid4(), memory)
        if made["outcome"] == "connected" and domains is not None:
            self.rows("select domains_listed(%s, %s, %s)", host, made["generation"], domains)
        return made

    def up_host(self, cluster, name, memory=8192):
        host = self.host(cluster, name, memory=memory)
        self.rows("select activate_host(%s)", host)
        if self.value("select trusted_service from clusters where id = %s", cluster):
            self.answer("trusted", host)
        assert self.status(host) == "up"
        return host

    def vm(self, cluster, name, memory=1024, **keys):
        definition = {"name": name, "cluster_id": str(cluster), "memory_mib": memory, **keys}
        return self.value("select vm_add(%s)", psycopg2.extras.Json(definition))

    def running_vm(self, cluster, name, host, memory=1024, **keys):
        vm = self.vm(cluster, name, memory, **keys)
        operation = self.place("start", vm, host)
        self.end(operation)
        assert self.vm_status(vm) == "up"
        return vm

    # --- doing things ---
    def place(self, kind, vm, host, evacuation=False, operation=None, session=None):
        operation = operation or uuid.uuid4()
        (session or self).rows("select * from place_vm(%s, %s, %s, %s, %s, %s)", operation, kind, vm, host, self.generation(host), evacuation)
        return operation

    def end(self, operation, outcome="done", detail=""):
        self.rows("select operation_end(%s, %s, %s)", operation, outcome, detail)

    def poll(self, *hosts):
        return self.row("select * from begin_poll(%s::uuid[])", list(hosts))

    def record(self, poll, answers, life="60 s", session=None):
        """answers: {host: outcome}, in that order."""
        hosts, outcomes = list(answers.keys()), list(answers.values())
        return (session or self).rows(
            "select * from record_verdicts(%s, %s, %s::uuid[], %s::text[], %s::text[], %s::text[],"
            " array(select case o when 'trusted' then clock_timestamp() + %s::interval end from unnest(%s::text[]) with ordinality u (o, n) order by n))",
            poll["question"], poll["asked_at"], hosts, outcomes, ["" if o == "trusted" else o for o in outcomes],
            ["" if o == "trusted" else "detail of " + o for o in outcomes], life, outcomes)

    def answer(self, outcome, *hosts, life="60 s"):
        return self.record(self.poll(*hosts), {host: outcome for host in hosts}, life)

    def disconnect(self, host, why="keepalive"):
        self.rows("select host_disconnected(%s, %s, %s)", host, self.generation(host), why)

    # --- looking ---
    def status(self, host):
        return self.value("select status from hosts where id = %s", host)

    def state(self, host):
        row = self.row("select status, reason from hosts where id = %s", host)
        return (row["status"], row["reason"])

    def generation(self, host):
        rows = self.rows("select generation from hosts where id = %s", host)
        return rows[0]["generation"] if rows else 0

    def vm_status(self, vm):
        return self.value("select status from vms where id = %s", vm)

    def where(self, vm):
        return self.value("select host_id from vms where id = %s", vm)

    def evacuation(self, host):
        rows = self.rows("select * from evacuations where host_id = %s", host)
        return rows[0] if rows else None

    def work(self):
        return [row["vm_name"] for row in self.rows("select * from evacuation_work()")]

    def events(self, name=None):
        return [row["name"] for row in self.rows("select name from audit_log order by id") if name in (None, row["name"])]

    def texts(self, name):
        return [row["description"] for row in self.rows("select description from audit_log where name = %s order by id", name)]

    def wait_until_blocked(self, session):
        """Until the session waits for a lock: the point of a race has been reached."""
        deadline = time.monotonic() + 60
        while not self.value("select cardinality(pg_blocking_pids(%s)) > 0", session.pid()):
            assert time.monotonic() < deadline, "the session never waited for the lock"
            time.sleep(0.01)


class Call(threading.Thread):
    """Runs a function in a thread of its own; result() gives its value or raises what it raised."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function = function
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.function()
        except Exception as error:  # handed to result()
            self.error = error

    def result(self):
        self.join(60)
        assert not self.is_alive(), "the call did not end within its deadline"
        if self.error:
            raise self.error
        return self.value
