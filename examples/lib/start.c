// Reads the bootstrap message and calls main.
#include "start.h"

// Static, since a dynamic program's first stack is only as large as the
// dynamic linker needs. A string takes at least its NUL, so no message has
// more strings than bytes.
static _Alignas(8) char message[ZX_CHANNEL_MAX_MSG_BYTES];
static zx_handle_t handles[ZX_CHANNEL_MAX_MSG_HANDLES];
static char *strings[ZX_CHANNEL_MAX_MSG_BYTES];
static uint32_t message_size, num_handles;

// Return codes of a process that cannot start.
enum { EXIT_NO_MESSAGE = 120, EXIT_BAD_MESSAGE = 121 };

// Points next, and what follows, at count strings of the message; the pointer
// after them is null. Gives back where to go on.
static char **list_strings(char **next, uint32_t offset, uint32_t count) {
  while (count-- > 0) {
    *next++ = message + offset;
    while (offset < message_size && message[offset]) offset++;
    if (offset++ >= message_size) zx_process_exit(EXIT_BAD_MESSAGE);
  }
  *next = 0;
  return next + 1;
}

static const zx_proc_args_t *header(void) { return (const zx_proc_args_t *)message; }

static uint32_t info(uint32_t i) {
  uint32_t value;
  memcpy(&value, message + header()->handle_info_off + i * sizeof value, sizeof value);
  return value;
}

static char **names;

void start(zx_handle_t bootstrap) __attribute__((noreturn));
void start(zx_handle_t bootstrap) {
  if (zx_channel_read(bootstrap, 0, message, handles, sizeof message, ZX_CHANNEL_MAX_MSG_HANDLES,
                      &message_size, &num_handles) != ZX_OK)
    zx_process_exit(EXIT_NO_MESSAGE);
  zx_handle_close(bootstrap);

  const zx_proc_args_t *args = header();
  if (message_size < sizeof *args || args->protocol != ZX_PROCARGS_PROTOCOL ||
      args->version != ZX_PROCARGS_VERSION || args->handle_info_off > message_size ||
      num_handles * sizeof(uint32_t) > message_size - args->handle_info_off ||
      (uint64_t)args->args_num + args->environ_num + args->names_num + 3 >
          sizeof strings / sizeof *strings)
    zx_process_exit(EXIT_BAD_MESSAGE);
  char **argv = strings;
  char **envp = list_strings(argv, args->args_off, args->args_num);
  names = list_strings(envp, args->environ_off, args->environ_num);
  list_strings(names, args->names_off, args->names_num);

  zx_process_exit(main((int)args->args_num, argv, envp));
}

zx_handle_t start_handle(uint32_t type, uint32_t arg) {
  for (uint32_t i = 0; i < num_handles; i++)
    if (info(i) == PA_HND(type, arg)) return handles[i];
  return ZX_HANDLE_INVALID;
}

zx_handle_t fd_handle(uint32_t fd) {
  zx_handle_t handle = start_handle(PA_FD, fd);
  for (uint32_t i = 0; handle == ZX_HANDLE_INVALID && fd <= 2 && i < num_handles; i++)
    if (PA_HND_TYPE(info(i)) == PA_FD && (PA_HND_ARG(info(i)) & PA_FD_STDIO)) handle = handles[i];
  return handle;
}

zx_handle_t namespace_handle(const char *path) {
  for (uint32_t i = 0; i < header()->names_num; i++)
    if (strcmp(names[i], path) == 0) return start_handle(PA_NS_DIR, i);
  return ZX_HANDLE_INVALID;
}
