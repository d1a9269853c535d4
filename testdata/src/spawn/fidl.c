#include "fidl.h"

// A header is: transaction id, flags and magic number, ordinal.
#define FLAGS_V2 0x01000002u
#define EPITAPH UINT64_MAX
#define PRESENT UINT32_MAX
#define PRESENT_64 UINT64_MAX

enum { HEADER_SIZE = 16 };

static void *add(message *m, size_t n) {
  if (m->bad || n > sizeof m->bytes - m->size) {
    m->bad = true;
    return NULL;
  }
  void *at = m->bytes + m->size;
  m->size += n;
  return at;
}

void message_begin(message *m, uint64_t ordinal) {
  m->size = m->num_handles = m->next = m->next_handle = 0;
  m->bad = false;
  put_u32(m, 0);
  put_u32(m, FLAGS_V2);
  put_u64(m, ordinal);
}

void put_u32(message *m, uint32_t value) {
  void *at = add(m, sizeof value);
  if (at) memcpy(at, &value, sizeof value);
}

void put_u64(message *m, uint64_t value) {
  void *at = add(m, sizeof value);
  if (at) memcpy(at, &value, sizeof value);
}

void put_align(message *m) {
  size_t n = -m->size % 8;
  void *at = add(m, n);
  if (at) memset(at, 0, n);
}

void put_bytes(message *m, const void *b, size_t n) {
  void *at = add(m, n);
  if (at) memcpy(at, b, n);
  put_align(m);
}

void put_vector(message *m, size_t count) {
  put_u64(m, count);
  put_u64(m, PRESENT_64);
}

void put_handle(message *m, zx_handle_t handle) {
  put_u32(m, PRESENT);
  if (m->num_handles < ZX_CHANNEL_MAX_MSG_HANDLES) {
    m->handles[m->num_handles++] = handle;
    return;
  }
  zx_handle_close(handle);
  m->bad = true;
}

static const void *take(message *m, size_t n) {
  if (m->bad || n > m->size - m->next) {
    m->bad = true;
    return NULL;
  }
  m->next += n;
  return m->bytes + m->next - n;
}

uint32_t take_u32(message *m) {
  uint32_t value = 0;
  const void *at = take(m, sizeof value);
  if (at) memcpy(&value, at, sizeof value);
  return value;
}

uint64_t take_u64(message *m) {
  uint64_t value = 0;
  const void *at = take(m, sizeof value);
  if (at) memcpy(&value, at, sizeof value);
  return value;
}

void take_align(message *m) { take(m, -m->next % 8); }

zx_handle_t take_handle(message *m) {
  if (take_u32(m) != PRESENT) return ZX_HANDLE_INVALID;
  if (m->next_handle == m->num_handles) {
    m->bad = true;
    return ZX_HANDLE_INVALID;
  }
  return m->handles[m->next_handle++];
}

void message_close(message *m) {
  while (m->next_handle < m->num_handles) zx_handle_close(m->handles[m->next_handle++]);
}

zx_status_t message_send(message *m, zx_handle_t channel) {
  if (m->bad) {
    message_close(m);
    return ZX_ERR_INVALID_ARGS;
  }
  return zx_channel_write(channel, 0, m->bytes, m->size, m->handles, m->num_handles);
}

zx_status_t message_call(message *m, zx_handle_t channel) {
  if (m->bad) {
    message_close(m);
    return ZX_ERR_INVALID_ARGS;
  }
  // The kernel puts the transaction id in. It takes the request before there
  // is an answer, so both may be in one place.
  zx_channel_call_args_t args = {
      .wr_bytes = m->bytes,
      .wr_num_bytes = m->size,
      .wr_handles = m->handles,
      .wr_num_handles = m->num_handles,
      .rd_bytes = m->bytes,
      .rd_num_bytes = sizeof m->bytes,
      .rd_handles = m->handles,
      .rd_num_handles = ZX_CHANNEL_MAX_MSG_HANDLES,
  };
  m->num_handles = m->next_handle = 0;
  m->next = HEADER_SIZE;
  return zx_channel_call(channel, 0, ZX_TIME_INFINITE, &args, &m->size, &m->num_handles);
}

uint64_t message_receive(message *m, zx_handle_t channel) {
  m->bad = false;
  m->next = m->next_handle = m->num_handles = m->size = 0;
  if (zx_object_wait_one(channel, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, ZX_TIME_INFINITE,
                         NULL) != ZX_OK ||
      zx_channel_read(channel, 0, m->bytes, m->handles, sizeof m->bytes,
                      ZX_CHANNEL_MAX_MSG_HANDLES, &m->size, &m->num_handles) != ZX_OK)
    return 0;
  take_u64(m);
  return take_u64(m);
}

zx_status_t epitaph(zx_handle_t channel) {
  static message m;
  uint64_t ordinal = message_receive(&m, channel);
  message_close(&m);
  return ordinal == EPITAPH ? (zx_status_t)take_u32(&m) : ZX_ERR_PEER_CLOSED;
}

// Most calls are made of this one message: the program has one thread that calls.
static message call;

// A call that was answered. A server that closed the channel has told why.
static zx_status_t answered(zx_handle_t channel) {
  zx_status_t status = message_call(&call, channel);
  return status == ZX_ERR_PEER_CLOSED ? epitaph(channel) : status;
}

// The end of reading: what is left is closed.
static zx_status_t finish(zx_status_t status) {
  message_close(&call);
  return call.bad ? ZX_ERR_INTERNAL : status;
}

// fuchsia.io

#define DIRECTORY_OPEN 0x568ddcb9a9cbb6d9
#define FILE_GET_BACKING_MEMORY 0x00a6a9e654cbf62b
#define FILE_WRITE 0x6a31437832469f82
#define DIRECTORY_READ_DIRENTS 0x3582806bf27faa0a

// The directory of our namespace that path is in, and the rest of path.
static zx_handle_t in_namespace(const char *path, const char **rest) {
  char prefix[256];
  for (size_t n = 1; n < sizeof prefix && path[n - 1]; n++) {
    prefix[n - 1] = path[n - 1];
    prefix[n] = 0;
    if (path[n] && path[n] != '/') continue;
    zx_handle_t directory = namespace_handle(prefix);
    if (directory == ZX_HANDLE_INVALID) continue;
    *rest = path[n] && path[n + 1] ? path + n + 1 : ".";
    return directory;
  }
  return ZX_HANDLE_INVALID;
}

zx_status_t open_path(const char *path, uint64_t flags, zx_handle_t *out) {
  const char *rest;
  zx_handle_t directory = in_namespace(path, &rest), server;
  if (directory == ZX_HANDLE_INVALID) return ZX_ERR_NOT_FOUND;
  zx_status_t status = zx_channel_create(0, out, &server);
  if (status != ZX_OK) return status;
  message_begin(&call, DIRECTORY_OPEN);
  put_vector(&call, strlen(rest));
  put_u64(&call, flags);
  put_vector(&call, 0);  // a table without members
  put_handle(&call, server);
  put_align(&call);
  put_bytes(&call, rest, strlen(rest));
  status = message_send(&call, directory);
  if (status != ZX_OK) zx_handle_close(*out);
  return status;
}

// The result of a method that can fail: a union whose member, being small, lies
// in its envelope. OK leaves call at the value.
static zx_status_t result(void) {
  uint64_t member = take_u64(&call);
  return member == 1 ? ZX_OK : member == 2 ? (zx_status_t)take_u32(&call) : ZX_ERR_INTERNAL;
}

zx_status_t open_memory(const char *path, uint32_t flags, zx_handle_t *vmo) {
  zx_handle_t file;
  uint64_t perms = PROTOCOL_FILE | PERM_READ | (flags & VMO_EXECUTE ? PERM_EXECUTE : 0);
  zx_status_t status = open_path(path, perms, &file);
  if (status != ZX_OK) return status;
  message_begin(&call, FILE_GET_BACKING_MEMORY);
  put_u32(&call, flags);
  put_align(&call);
  status = answered(file);
  if (status == ZX_OK) status = result();
  if (status == ZX_OK) {
    *vmo = take_handle(&call);
    status = finish(ZX_OK);
  }
  zx_handle_close(file);
  return status;
}

zx_status_t open_executable(const char *path, zx_handle_t *vmo) {
  return open_memory(path, VMO_READ | VMO_EXECUTE | VMO_PRIVATE_CLONE, vmo);
}

zx_status_t file_write(zx_handle_t file, const void *b, size_t n) {
  message_begin(&call, FILE_WRITE);
  put_vector(&call, n);
  put_bytes(&call, b, n);
  zx_status_t status = answered(file);
  return status == ZX_OK ? finish(result()) : status;
}

zx_status_t directory_read(message *m, zx_handle_t directory, size_t *size) {
  message_begin(m, DIRECTORY_READ_DIRENTS);
  put_u64(m, 8192);
  zx_status_t status = message_call(m, directory);
  if (status == ZX_ERR_PEER_CLOSED) return epitaph(directory);
  if (status != ZX_OK) return status;
  status = (zx_status_t)take_u32(m);
  take_align(m);
  *size = take_u64(m);
  take_u64(m);
  if (*size > m->size - m->next) return ZX_ERR_INTERNAL;
  return status;
}

// fuchsia.process

#define LAUNCHER_LAUNCH 0x11335a9928afbfa4
#define LAUNCHER_CREATE_WITHOUT_STARTING 0x755f8263fe51cb61
#define LAUNCHER_ADD_ARGS 0x3be445d3e4fd6512
#define LAUNCHER_ADD_ENVIRONS 0x73a3c97fa7fe1779
#define LAUNCHER_ADD_NAMES 0x2579ee2c7be28662
#define LAUNCHER_ADD_HANDLES 0x51025267a537a615
#define LAUNCHER_SET_OPTIONS 0x5b92576147ebfd87
#define RESOLVER_RESOLVE 0x3c15951efde89c90

zx_status_t launcher_connect(zx_handle_t *launcher) {
  return open_path("/svc/fuchsia.process.Launcher", PROTOCOL_SERVICE, launcher);
}

static void launcher_strings(zx_handle_t launcher, uint64_t ordinal, int n,
                             const char *const *strings) {
  message_begin(&call, ordinal);
  put_vector(&call, n);
  for (int i = 0; i < n; i++) put_vector(&call, strlen(strings[i]));
  for (int i = 0; i < n; i++) put_bytes(&call, strings[i], strlen(strings[i]));
  message_send(&call, launcher);
}

void launcher_args(zx_handle_t launcher, int argc, const char *const *argv) {
  launcher_strings(launcher, LAUNCHER_ADD_ARGS, argc, argv);
}

void launcher_environ(zx_handle_t launcher, int n, const char *const *environ) {
  launcher_strings(launcher, LAUNCHER_ADD_ENVIRONS, n, environ);
}

void launcher_name(zx_handle_t launcher, const char *path, zx_handle_t directory) {
  message_begin(&call, LAUNCHER_ADD_NAMES);
  put_vector(&call, 1);
  put_vector(&call, strlen(path));
  put_handle(&call, directory);
  put_align(&call);
  put_bytes(&call, path, strlen(path));
  message_send(&call, launcher);
}

void launcher_handle(zx_handle_t launcher, uint32_t id, zx_handle_t handle) {
  message_begin(&call, LAUNCHER_ADD_HANDLES);
  put_vector(&call, 1);
  put_handle(&call, handle);
  put_u32(&call, id);
  message_send(&call, launcher);
}

void launcher_options(zx_handle_t launcher, uint32_t options) {
  message_begin(&call, LAUNCHER_SET_OPTIONS);
  put_u32(&call, options);
  put_align(&call);
  message_send(&call, launcher);
}

static zx_status_t launch(zx_handle_t launcher, uint64_t ordinal, const launch_info *info) {
  message_begin(&call, ordinal);
  put_handle(&call, info->executable);
  put_handle(&call, info->job);
  put_vector(&call, strlen(info->name));
  put_bytes(&call, info->name, strlen(info->name));
  zx_status_t status = answered(launcher);
  return status == ZX_OK ? (zx_status_t)take_u32(&call) : status;
}

zx_status_t launcher_launch(zx_handle_t launcher, const launch_info *info, zx_handle_t *process) {
  zx_status_t status = launch(launcher, LAUNCHER_LAUNCH, info);
  if (status != ZX_OK) return status;
  *process = take_handle(&call);
  return finish(ZX_OK);
}

zx_status_t launcher_create(zx_handle_t launcher, const launch_info *info, start_data *data) {
  zx_status_t status = launch(launcher, LAUNCHER_CREATE_WITHOUT_STARTING, info);
  if (status != ZX_OK) return status;
  take_align(&call);
  take_u64(&call);  // the box
  data->process = take_handle(&call);
  data->root_vmar = take_handle(&call);
  data->thread = take_handle(&call);
  take_align(&call);
  data->entry = take_u64(&call);
  data->stack = take_u64(&call);
  data->bootstrap = take_handle(&call);
  take_align(&call);
  data->vdso_base = take_u64(&call);
  data->base = take_u64(&call);
  return finish(ZX_OK);
}

zx_status_t start_created(start_data *data) {
  zx_status_t status = zx_process_start(data->process, data->thread, data->entry, data->stack,
                                        data->bootstrap, data->vdso_base);
  zx_handle_close(data->thread);
  zx_handle_close(data->root_vmar);
  return status;
}

zx_status_t resolve(const char *name, zx_handle_t *executable, zx_handle_t *loader) {
  zx_handle_t resolver;
  zx_status_t status = open_path("/svc/fuchsia.process.Resolver", PROTOCOL_SERVICE, &resolver);
  if (status != ZX_OK) return status;
  message_begin(&call, RESOLVER_RESOLVE);
  put_vector(&call, strlen(name));
  put_bytes(&call, name, strlen(name));
  status = answered(resolver);
  zx_handle_close(resolver);
  if (status == ZX_OK) status = (zx_status_t)take_u32(&call);
  if (status != ZX_OK) return status;
  *executable = take_handle(&call);
  *loader = take_handle(&call);
  return finish(ZX_OK);
}

// fuchsia.ldsvc

#define LOADER_LOAD_OBJECT 0x48c5a151d6df2853

static zx_handle_t find(const library *libraries, size_t n, const char *name, size_t length) {
  zx_handle_t vmo;
  for (size_t i = 0; i < n; i++)
    if (strlen(libraries[i].name) == length && memcmp(libraries[i].name, name, length) == 0 &&
        zx_handle_duplicate(libraries[i].vmo, ZX_RIGHT_SAME_RIGHTS, &vmo) == ZX_OK)
      return vmo;
  return ZX_HANDLE_INVALID;
}

void serve_loader(zx_handle_t channel, const library *libraries, size_t n) {
  static message m;
  while (message_receive(&m, channel) == LOADER_LOAD_OBJECT) {
    uint32_t txid;
    memcpy(&txid, m.bytes, sizeof txid);
    size_t length = take_u64(&m);
    take_u64(&m);
    const char *name = take(&m, length);
    zx_handle_t vmo = name ? find(libraries, n, name, length) : ZX_HANDLE_INVALID;
    message_begin(&m, LOADER_LOAD_OBJECT);
    memcpy(m.bytes, &txid, sizeof txid);
    if (vmo != ZX_HANDLE_INVALID) {
      put_u32(&m, ZX_OK);
      put_handle(&m, vmo);
    } else {
      put_u32(&m, ZX_ERR_NOT_FOUND);
      put_u32(&m, 0);
    }
    message_send(&m, channel);
  }
  message_close(&m);
  zx_handle_close(channel);
}
