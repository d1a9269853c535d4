// FIDL by hand: messages of wire format v2, and the protocols that are needed
// to launch a program. The format is told at
// https://fuchsia.dev/fuchsia-src/reference/fidl/language/wire-format.
#pragma once

#include "start.h"

// A message. Writing adds to its end; reading takes from its beginning. What
// does not fit, or is not there, makes it bad.
typedef struct {
  uint8_t bytes[ZX_CHANNEL_MAX_MSG_BYTES];
  zx_handle_t handles[ZX_CHANNEL_MAX_MSG_HANDLES];
  uint32_t size, num_handles;
  uint32_t next, next_handle;  // of reading
  bool bad;
} message;

// Begins to write: the header. Only two-way methods have a transaction id.
void message_begin(message *m, uint64_t ordinal);

void put_u32(message *m, uint32_t value);
void put_u64(message *m, uint64_t value);
void put_align(message *m);                           // zeros up to the next 8 bytes
void put_bytes(message *m, const void *b, size_t n);  // and zeros, as put_align
void put_vector(message *m, size_t count);            // what a vector or string is in line
void put_handle(message *m, zx_handle_t handle);      // which is the message's then

uint32_t take_u32(message *m);
uint64_t take_u64(message *m);
void take_align(message *m);
zx_handle_t take_handle(message *m);  // an absent one is ZX_HANDLE_INVALID

// Closes the handles that were not taken, or not sent.
void message_close(message *m);

// Sends a message, whose handles are gone then, whatever comes of it.
zx_status_t message_send(message *m, zx_handle_t channel);

// Sends a request, and has its answer in the same place, after the header.
zx_status_t message_call(message *m, zx_handle_t channel);

// Waits for the next message. Gives its ordinal, or 0 if there was none.
uint64_t message_receive(message *m, zx_handle_t channel);

// Why the other side has closed a channel, as it said with its last message.
zx_status_t epitaph(zx_handle_t channel);

// fuchsia.io.Directory.Open, with fuchsia.io.Flags, of a path of our namespace.
// Whether there is such a thing shows only when it is used.
#define PERM_READ 0x2u
#define PERM_EXECUTE 0x8u
#define PERM_READABLE 0xd3u
#define PERM_WRITABLE 0x1e5u
#define PERM_INHERIT_WRITE 0x2000u
#define PROTOCOL_SERVICE 0x100000000u
#define PROTOCOL_FILE 0x200000000u
#define PROTOCOL_DIRECTORY 0x80000u
#define FLAG_MAYBE_CREATE 0x10000u
zx_status_t open_path(const char *path, uint64_t flags, zx_handle_t *out);

// fuchsia.io.File.GetBackingMemory of a file of our namespace.
#define VMO_READ 1u
#define VMO_EXECUTE 4u
#define VMO_PRIVATE_CLONE 0x10000u
zx_status_t open_memory(const char *path, uint32_t flags, zx_handle_t *vmo);

// A file as a program that can be launched.
zx_status_t open_executable(const char *path, zx_handle_t *vmo);

// fuchsia.io.File.Write.
zx_status_t file_write(zx_handle_t file, const void *b, size_t n);

// fuchsia.io.Directory.ReadDirents: the next names, in m, as many bytes as are
// given; none at the end.
zx_status_t directory_read(message *m, zx_handle_t directory, size_t *size);

// fuchsia.process.Launcher, over a channel to it.
zx_status_t launcher_connect(zx_handle_t *launcher);
void launcher_args(zx_handle_t launcher, int argc, const char *const *argv);
void launcher_environ(zx_handle_t launcher, int n, const char *const *environ);
void launcher_name(zx_handle_t launcher, const char *path, zx_handle_t directory);
void launcher_handle(zx_handle_t launcher, uint32_t id, zx_handle_t handle);
void launcher_options(zx_handle_t launcher, uint32_t options);

// What is to be launched. The handles are gone after the call.
typedef struct {
  zx_handle_t executable, job;
  const char *name;
} launch_info;

// Launch. The status is the launcher's or the channel's.
zx_status_t launcher_launch(zx_handle_t launcher, const launch_info *info, zx_handle_t *process);

// fuchsia.process.ProcessStartData.
typedef struct {
  zx_handle_t process, root_vmar, thread, bootstrap;
  uint64_t entry, stack, vdso_base, base;
} start_data;

zx_status_t launcher_create(zx_handle_t launcher, const launch_info *info, start_data *data);

// Starts what launcher_create made, and closes all handles but the process's.
zx_status_t start_created(start_data *data);

// fuchsia.process.Resolver, of our namespace. *loader may be invalid.
zx_status_t resolve(const char *name, zx_handle_t *executable, zx_handle_t *loader);

// Libraries to be given to a dynamic linker.
typedef struct {
  const char *name;
  zx_handle_t vmo;
} library;

// Serves fuchsia.ldsvc.Loader with n libraries until its client is gone.
void serve_loader(zx_handle_t channel, const library *libraries, size_t n);
