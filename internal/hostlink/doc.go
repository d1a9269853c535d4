// Package hostlink carries FIDL between Linux programs and the hosted kernel: a
// packet of a SOCK_SEQPACKET Unix socket is one FIDL message, and its handles
// travel beside it as file descriptors (SCM_RIGHTS).
//
// # From descriptors to handles
//
// A [Bridge] turns each descriptor that arrives into a handle of this process:
//
//   - regular file or memfd, which nobody can write through it: a VMO over the
//     file itself, which must not change while in use
//   - regular file or memfd, open for reading and writing: a VMO with a copy of
//     what it holds now, CopyLimit bytes at most
//   - SEQPACKET socket: a channel, packets being messages
//   - stream socket, pipe, FIFO, terminal, character device: a socket, open in
//     the directions that the descriptor is
//   - directory, opened in any way, also as a path: a channel that speaks
//     fuchsia.io.Directory, served by the Bridge. What is below can be read and
//     executed, and changed only if it came in a request of [Conn].Whole. From a
//     user other than this process's it is a channel that was closed, with the
//     epitaph ACCESS_DENIED, as the Bridge would open files for it that are not
//     its own.
//   - a descriptor that a Bridge made for a handle without a kind of its own
//     (below): a duplicate of that very handle
//   - a descriptor that a Bridge made for a channel, if nothing has gone by it
//     yet: that very channel
//
// Anything else is refused, with NOT_SUPPORTED, and a file that cannot be read
// with ACCESS_DENIED.
//
// # From handles to descriptors
//
//   - VMO: a sealed memfd with a copy of what it holds, CopyLimit bytes at most
//   - channel: a SEQPACKET socket
//   - stream socket: a Unix stream socket
//   - anything else: a SEQPACKET socket that stands for the handle. Sent back, it
//     is the handle again; closed, it closes the handle. That of a process or job
//     is a task descriptor besides: once the task has terminated it can be read,
//     and gives a packet, once, and then the end of the file: the return code, 8
//     bytes little endian, and after it, as text, why a process was killed; and
//     the 4 bytes "kill", written to it, kill the task.
//
// Behind sockets and channels a pump copies between the kernel object and the
// descriptor. It reads no further than the other side has room for, so a slow
// reader slows the writer down and costs no memory. The end of a file on one
// side is the end on the other.
//
// # Clients
//
// A [Link] is the other end: the transport of a program that has descriptors and
// no kernel.
package hostlink
