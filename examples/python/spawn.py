#!/usr/bin/env python3
"""Run a (statically linked) Fuchsia program in a launcherd daemon.

    launcherd serve &
    spawn.py [--connect PATH] PROGRAM [ARGS...]

A client in plain Python: a packet on the daemon's socket is a FIDL message, and
handles are file descriptors. docs/linux-clients.md explains both.
"""
import contextlib, hashlib, os, socket, struct, sys, threading

PRESENT = 2**64 - 1       # a vector or string that is there
HANDLE = 2**32 - 1        # a handle that is there: the next descriptor
PA_FD = 0x30              # a startup handle that is a file descriptor


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        self.txid = 0

    def send(self, method, body=b"", fds=(), txid=0):
        """Sends a request. Its header ends in the method's ordinal."""
        ordinal = hashlib.sha256(method.encode()).digest()[:7] + bytes(
            [hashlib.sha256(method.encode()).digest()[7] & 0x7F])
        header = struct.pack("<I4B", txid, 2, 0, 0, 1) + ordinal
        socket.send_fds(self.socket, [header + body], fds)

    def call(self, method, body=b"", fds=()):
        """Sends a request and gives the response's body and descriptors."""
        self.txid += 1
        self.send(method, body, fds, self.txid)
        message, fds, _, _ = socket.recv_fds(self.socket, 65536, 64)
        if len(message) < 16 or struct.unpack_from("<I", message)[0] != self.txid:
            sys.exit("spawn.py: the daemon closed the connection")
        return message[16:], fds


def pad(data):
    return data + bytes(-len(data) % 8)


def vector(items):
    """Encodes a vector of byte strings, as the only member of a request."""
    return (struct.pack("<QQ", len(items), PRESENT)
            + b"".join(struct.pack("<QQ", len(i), PRESENT) for i in items)
            + b"".join(pad(i) for i in items))


def copy(src, dst):
    with contextlib.suppress(BrokenPipeError):  # nobody reads any more
        while data := os.read(src, 65536):
            while data:
                data = data[os.write(dst, data):]
    os.close(src)
    os.close(dst)


def main(args):
    path = os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/run"), "launcherd/launcherd.sock")
    if args[:1] == ["--connect"]:
        path, args = args[1], args[2:]
    if not args:
        sys.exit(__doc__)
    daemon = Connection(path)

    body, (job,) = daemon.call("launcherd.monitor/Monitor.GetJob")
    daemon.send("fuchsia.process/Launcher.AddArgs", vector([os.fsencode(a) for a in args]))

    # Standard input, output and error: pipes, which the daemon turns into sockets.
    pipes = [os.pipe() for _ in range(3)]
    theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
    ids = b"".join(struct.pack("<II", HANDLE, PA_FD | n << 16) for n in range(3))
    daemon.send("fuchsia.process/Launcher.AddHandles", struct.pack("<QQ", 3, PRESENT) + ids, theirs)
    for fd in theirs:
        os.close(fd)

    name = os.path.basename(os.fsencode(args[0]))[:31]
    info = struct.pack("<IIQQ", HANDLE, HANDLE, len(name), PRESENT) + pad(name)
    body, fds = daemon.call("fuchsia.process/Launcher.Launch", info, [os.open(args[0], os.O_RDONLY), job])
    status = struct.unpack_from("<i", body)[0]
    if status != 0:
        sys.exit(f"spawn.py: {args[0]}: launch failed with status {status}")

    threading.Thread(target=copy, args=(0, pipes[0][1]), daemon=True).start()
    outputs = [threading.Thread(target=copy, args=(pipes[n][0], os.dup(n))) for n in (1, 2)]
    for t in outputs:
        t.start()
    # A process's descriptor gives the return code at the end, and takes b"kill".
    process = socket.socket(fileno=fds[0])
    code = struct.unpack("<q", process.recv(8))[0]
    for t in outputs:
        t.join()
    return code if 0 <= code <= 255 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
