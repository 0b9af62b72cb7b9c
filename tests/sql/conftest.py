"""A private PostgreSQL 15 for these tests, on a unix socket in a directory of its own; a fresh database for each test."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psycopg2
import psycopg2.extras
import pytest
from pool import Pool

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STEPS = sorted(glob.glob(os.path.join(TOP, "sql", "[0-9]*.sql")))
psycopg2.extras.register_uuid()


def bindir():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found else os.path.dirname(shutil.which("initdb"))


class Server:
    """PostgreSQL refuses to run as root, so that it runs as `postgres` (or nobody) then."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="tpsql", dir="/tmp")
        self.account = None
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.directory, self.account.pw_uid, self.account.pw_gid)
        self.data = os.path.join(self.directory, "data")
        self.run("initdb", "-D", self.data, "-U", "trustpool", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.process = subprocess.Popen(
            [os.path.join(bindir(), "postgres"), "-D", self.data, "-c", "listen_addresses=", "-k", self.directory,
             "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "deadlock_timeout=200ms", "-c", "max_connections=40"],
            stdout=subprocess.DEVNULL, stderr=open(os.path.join(self.directory, "log"), "ab"), **self.identity())
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def identity(self):
        if self.account is None:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": [], "cwd": "/"}

    def run(self, program, *arguments):
        subprocess.run([os.path.join(bindir(), program), *arguments], check=True, stdout=subprocess.DEVNULL, **self.identity())

    def connect(self, database):
        connection = psycopg2.connect(host=self.directory, user="trustpool", dbname=database,
                                      options="-c search_path=trustpool -c statement_timeout=60000")
        connection.autocommit = True
        return connection

    @staticmethod
    def make_schema(connection):
        cursor = connection.cursor()
        cursor.execute("create schema trustpool")
        for step in STEPS:
            with open(step, encoding="utf-8") as file:
                cursor.execute("begin; " + file.read() + "; commit")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


# Making a database costs more than most tests: they share one, and each begins from what it held in the beginning.
KEEP = """
do $$ declare t text; begin
    create schema pristine;
    for t in select relname from pg_class where relnamespace = 'trustpool'::regnamespace and relkind = 'r' loop
        execute format('create table pristine.%1$I as table trustpool.%1$I', t);
    end loop;
end $$"""
RESET = """
do $$ declare t text; begin
    set local session_replication_role = replica; -- foreign keys are whole again at the end
    for t in select relname from pg_class where relnamespace = 'pristine'::regnamespace and relkind = 'r' loop
        execute format('delete from trustpool.%1$I', t);
        execute format('insert into trustpool.%1$I overriding system value select * from pristine.%1$I', t);
    end loop;
end $$"""


@pytest.fixture(scope="session")
def server():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a run that is killed leaves no server behind
    server = Server()
    try:
        connection = server.connect("postgres")
        connection.cursor().execute("create database trustpool")
        connection.close()
        connection = server.connect("trustpool")
        server.make_schema(connection)
        connection.cursor().execute(KEEP)
        connection.close()
        yield server
    finally:
        server.stop()


@pytest.fixture
def db(server):
    """A database with the whole schema as it is in the beginning, and sessions on it."""
    connection = server.connect("trustpool")
    connection.cursor().execute(RESET)
    connection.close()
    pool = Pool(lambda: server.connect("trustpool"))
    yield pool
    pool.close()
