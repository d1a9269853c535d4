// What every program here starts from: its arguments and handles, a way to
// print, and the functions that the C compiler expects to exist.
#pragma once

#include "processargs.h"

// The program. argv and envp end with a null pointer. What it returns becomes
// the process's return code.
int64_t main(int argc, char **argv, char **envp);

// The handle that came as PA_HND(type, arg), or ZX_HANDLE_INVALID. The process
// owns it all along: ask twice and it is the same handle.
zx_handle_t start_handle(uint32_t type, uint32_t arg);

// The handle of a file descriptor, or ZX_HANDLE_INVALID.
zx_handle_t fd_handle(uint32_t fd);

// The directory that came for this path of the namespace, such as "/svc", or
// ZX_HANDLE_INVALID.
zx_handle_t namespace_handle(const char *path);

// Writes all of it to a socket, waiting for room. Anything but ZX_OK means
// that the reader is gone.
zx_status_t write_all(zx_handle_t socket, const void *data, size_t size);

// Reads at least one byte, waiting for it. *actual is 0 at the end.
zx_status_t read_some(zx_handle_t socket, void *data, size_t size, size_t *actual);

// Prints to standard output; where there is none, to the debug log. Knows %s,
// %c, %d, %u, %x, %ld, %lu, %lx and %%.
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The number at the start of text, in decimal or, after 0x, in hexadecimal.
int64_t parse_number(const char *text);

// The rest of text if it starts with prefix, or a null pointer.
const char *after_prefix(const char *text, const char *prefix);

size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
