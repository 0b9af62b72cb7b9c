#!/usr/bin/python3
"""relay.py PORT NETNS TARGETPORT READYFILE: 127.0.0.1:PORT here leads to 127.0.0.1:TARGETPORT in a network namespace.

A socket stays in the namespace it was opened in.  So: listen here, move into the namespace, connect there.  From then
on the process counts as one of the namespace's, and lab.sh down ends it with the others.
"""
import ctypes
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def serve(client, port):
    with client:
        try:
            server = socket.create_connection(('127.0.0.1', port), 10)
        except OSError:
            return                  # the client sees its connection closed, as if nobody listened
        with server:
            server.settimeout(None)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()


def main():
    port, netns, target, ready = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    try:
        listener = socket.create_server(('127.0.0.1', port), backlog=128)
    except OSError as error:
        sys.exit('relay: 127.0.0.1:%d: %s' % (port, error.strerror))
    handle = os.open('/run/netns/' + netns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
        sys.exit('relay: %s: %s' % (netns, os.strerror(ctypes.get_errno())))
    with open(ready + '.new', 'w') as file:
        file.write('%d\n' % listener.getsockname()[1])
    os.rename(ready + '.new', ready)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], target), daemon=True).start()


if __name__ == '__main__':
    main()
