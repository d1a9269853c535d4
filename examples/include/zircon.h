// Zircon as these programs see it: the types, the numbers and the functions of
// the vDSO that they use. Names and values are those of Fuchsia's <zircon/...>
// headers; what each function does is told by its page at
// https://fuchsia.dev/reference/syscalls.
//
// A static program gets the functions from lib/syscalls.S, a dynamic one by
// linking to libzircon.so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t zx_handle_t;
typedef int32_t zx_status_t;
typedef uint32_t zx_rights_t;
typedef uint32_t zx_signals_t;
typedef uint32_t zx_obj_type_t;
typedef uint32_t zx_clock_t;
typedef uint32_t zx_vm_option_t;
typedef uint64_t zx_koid_t;
typedef uint64_t zx_off_t;
typedef uintptr_t zx_vaddr_t;
typedef int64_t zx_time_t;
typedef int64_t zx_duration_t;
typedef int64_t zx_ticks_t;
typedef int32_t zx_futex_t;

#define ZX_HANDLE_INVALID ((zx_handle_t)0)
#define ZX_TIME_INFINITE INT64_MAX
#define ZX_MSEC(n) ((zx_duration_t)(n)*1000000)
#define ZX_SEC(n) ((zx_duration_t)(n)*1000000000)
#define ZX_PAGE_SIZE ((size_t)4096)
#define ZX_MAX_NAME_LEN 32

// <zircon/errors.h>
#define ZX_OK 0
#define ZX_ERR_INTERNAL (-1)
#define ZX_ERR_NOT_SUPPORTED (-2)
#define ZX_ERR_NO_RESOURCES (-3)
#define ZX_ERR_NO_MEMORY (-4)
#define ZX_ERR_INVALID_ARGS (-10)
#define ZX_ERR_BAD_HANDLE (-11)
#define ZX_ERR_WRONG_TYPE (-12)
#define ZX_ERR_BAD_SYSCALL (-13)
#define ZX_ERR_OUT_OF_RANGE (-14)
#define ZX_ERR_BUFFER_TOO_SMALL (-15)
#define ZX_ERR_BAD_STATE (-20)
#define ZX_ERR_TIMED_OUT (-21)
#define ZX_ERR_SHOULD_WAIT (-22)
#define ZX_ERR_CANCELED (-23)
#define ZX_ERR_PEER_CLOSED (-24)
#define ZX_ERR_NOT_FOUND (-25)
#define ZX_ERR_ALREADY_EXISTS (-26)
#define ZX_ERR_UNAVAILABLE (-28)
#define ZX_ERR_ACCESS_DENIED (-30)

// <zircon/rights.h>
#define ZX_RIGHT_NONE 0u
#define ZX_RIGHT_DUPLICATE (1u << 0)
#define ZX_RIGHT_TRANSFER (1u << 1)
#define ZX_RIGHT_READ (1u << 2)
#define ZX_RIGHT_WRITE (1u << 3)
#define ZX_RIGHT_EXECUTE (1u << 4)
#define ZX_RIGHT_MAP (1u << 5)
#define ZX_RIGHT_GET_PROPERTY (1u << 6)
#define ZX_RIGHT_SET_PROPERTY (1u << 7)
#define ZX_RIGHT_SIGNAL (1u << 12)
#define ZX_RIGHT_SIGNAL_PEER (1u << 13)
#define ZX_RIGHT_WAIT (1u << 14)
#define ZX_RIGHT_INSPECT (1u << 15)
#define ZX_RIGHT_SAME_RIGHTS (1u << 31)
#define ZX_RIGHTS_BASIC \
  (ZX_RIGHT_TRANSFER | ZX_RIGHT_DUPLICATE | ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT)
#define ZX_RIGHTS_IO (ZX_RIGHT_READ | ZX_RIGHT_WRITE)

// Object types and signals, <zircon/types.h>
#define ZX_OBJ_TYPE_NONE 0u
#define ZX_OBJ_TYPE_PROCESS 1u
#define ZX_OBJ_TYPE_THREAD 2u
#define ZX_OBJ_TYPE_VMO 3u
#define ZX_OBJ_TYPE_CHANNEL 4u
#define ZX_OBJ_TYPE_EVENT 5u
#define ZX_OBJ_TYPE_PORT 6u
#define ZX_OBJ_TYPE_LOG 12u
#define ZX_OBJ_TYPE_SOCKET 14u
#define ZX_OBJ_TYPE_EVENTPAIR 16u
#define ZX_OBJ_TYPE_JOB 17u
#define ZX_OBJ_TYPE_VMAR 18u
#define ZX_OBJ_TYPE_TIMER 22u

#define ZX_CHANNEL_READABLE (1u << 0)
#define ZX_CHANNEL_WRITABLE (1u << 1)
#define ZX_CHANNEL_PEER_CLOSED (1u << 2)
#define ZX_SOCKET_READABLE (1u << 0)
#define ZX_SOCKET_WRITABLE (1u << 1)
#define ZX_SOCKET_PEER_CLOSED (1u << 2)
#define ZX_SOCKET_PEER_WRITE_DISABLED (1u << 4)
#define ZX_SOCKET_WRITE_DISABLED (1u << 5)
#define ZX_SOCKET_READ_THRESHOLD (1u << 10)
#define ZX_SOCKET_WRITE_THRESHOLD (1u << 11)
#define ZX_EVENT_SIGNALED (1u << 3)
#define ZX_EVENTPAIR_SIGNALED (1u << 3)
#define ZX_EVENTPAIR_PEER_CLOSED (1u << 2)
#define ZX_TIMER_SIGNALED (1u << 3)
#define ZX_TASK_TERMINATED (1u << 3)
#define ZX_THREAD_TERMINATED (1u << 3)
#define ZX_THREAD_RUNNING (1u << 4)
#define ZX_JOB_NO_JOBS (1u << 4)
#define ZX_JOB_NO_PROCESSES (1u << 5)
#define ZX_VMO_ZERO_CHILDREN (1u << 3)
#define ZX_SIGNAL_HANDLE_CLOSED (1u << 23)
#define ZX_USER_SIGNAL_0 (1u << 24)
#define ZX_USER_SIGNAL_1 (1u << 25)
#define ZX_USER_SIGNAL_7 (1u << 31)

// Handles
zx_status_t zx_handle_close(zx_handle_t handle);
zx_status_t zx_handle_close_many(const zx_handle_t *handles, size_t num);
zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out);
zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out);

// Any object
typedef struct {
  zx_handle_t handle;
  zx_signals_t waitfor;
  zx_signals_t pending;
} zx_wait_item_t;
#define ZX_WAIT_MANY_MAX_ITEMS 64

#define ZX_WAIT_ASYNC_ONCE 0u
#define ZX_WAIT_ASYNC_TIMESTAMP 1u
#define ZX_WAIT_ASYNC_EDGE 2u

zx_status_t zx_object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_time_t deadline,
                               zx_signals_t *observed);
zx_status_t zx_object_wait_many(zx_wait_item_t *items, size_t num, zx_time_t deadline);
zx_status_t zx_object_wait_async(zx_handle_t handle, zx_handle_t port, uint64_t key,
                                 zx_signals_t signals, uint32_t options);
zx_status_t zx_object_signal(zx_handle_t handle, uint32_t clear, uint32_t set);
zx_status_t zx_object_signal_peer(zx_handle_t handle, uint32_t clear, uint32_t set);
zx_status_t zx_object_get_property(zx_handle_t handle, uint32_t property, void *value,
                                   size_t size);
zx_status_t zx_object_set_property(zx_handle_t handle, uint32_t property, const void *value,
                                   size_t size);
zx_status_t zx_object_get_info(zx_handle_t handle, uint32_t topic, void *buffer, size_t size,
                               size_t *actual, size_t *avail);
zx_status_t zx_object_get_child(zx_handle_t handle, uint64_t koid, zx_rights_t rights,
                                zx_handle_t *out);

// <zircon/syscalls/object.h>
#define ZX_PROP_NAME 3u
#define ZX_PROP_PROCESS_VDSO_BASE_ADDRESS 6u
#define ZX_PROP_SOCKET_RX_THRESHOLD 12u
#define ZX_PROP_VMO_CONTENT_SIZE 17u

#define ZX_INFO_HANDLE_VALID 1u
#define ZX_INFO_HANDLE_BASIC 2u
#define ZX_INFO_PROCESS_THREADS 4u
#define ZX_INFO_VMAR 7u
#define ZX_INFO_JOB_CHILDREN 8u
#define ZX_INFO_JOB_PROCESSES 9u
#define ZX_INFO_THREAD 10u
#define ZX_INFO_HANDLE_COUNT 19u
#define ZX_INFO_SOCKET 22u
#define ZX_INFO_VMO 23u
#define ZX_INFO_JOB 24u
#define ZX_INFO_TIMER 25u

typedef struct {
  zx_koid_t koid;
  zx_rights_t rights;
  zx_obj_type_t type;
  zx_koid_t related_koid;
  uint32_t reserved;
  uint8_t padding[4];
} zx_info_handle_basic_t;

typedef struct {
  zx_vaddr_t base;
  size_t len;
} zx_info_vmar_t;

typedef struct {
  int64_t return_code;
  bool exited;
  bool kill_on_oom;
  bool debugger_attached;
  uint8_t padding[5];
} zx_info_job_t;

typedef struct {
  uint32_t options;
  uint8_t padding[4];
  size_t rx_buf_max;
  size_t rx_buf_size;
  size_t rx_buf_available;
  size_t tx_buf_max;
  size_t tx_buf_size;
} zx_info_socket_t;

typedef struct {
  uint32_t options;
  uint32_t clock;
  zx_time_t deadline;
  zx_duration_t slack;
} zx_info_timer_t;

// Channels
#define ZX_CHANNEL_MAX_MSG_BYTES 65536u
#define ZX_CHANNEL_MAX_MSG_HANDLES 64u
#define ZX_CHANNEL_READ_MAY_DISCARD 1u
#define ZX_HANDLE_OP_MOVE 0u
#define ZX_HANDLE_OP_DUPLICATE 1u

typedef struct {
  zx_handle_t handle;
  zx_obj_type_t type;
  zx_rights_t rights;
  uint32_t unused;
} zx_handle_info_t;

typedef struct {
  uint32_t operation;
  zx_handle_t handle;
  zx_obj_type_t type;
  zx_rights_t rights;
  zx_status_t result;
} zx_handle_disposition_t;

typedef struct {
  const void *wr_bytes;
  const zx_handle_t *wr_handles;
  void *rd_bytes;
  zx_handle_t *rd_handles;
  uint32_t wr_num_bytes;
  uint32_t wr_num_handles;
  uint32_t rd_num_bytes;
  uint32_t rd_num_handles;
} zx_channel_call_args_t;

zx_status_t zx_channel_create(uint32_t options, zx_handle_t *out0, zx_handle_t *out1);
zx_status_t zx_channel_read(zx_handle_t handle, uint32_t options, void *bytes,
                            zx_handle_t *handles, uint32_t num_bytes, uint32_t num_handles,
                            uint32_t *actual_bytes, uint32_t *actual_handles);
zx_status_t zx_channel_read_etc(zx_handle_t handle, uint32_t options, void *bytes,
                                zx_handle_info_t *handles, uint32_t num_bytes,
                                uint32_t num_handles, uint32_t *actual_bytes,
                                uint32_t *actual_handles);
zx_status_t zx_channel_write(zx_handle_t handle, uint32_t options, const void *bytes,
                             uint32_t num_bytes, const zx_handle_t *handles,
                             uint32_t num_handles);
zx_status_t zx_channel_write_etc(zx_handle_t handle, uint32_t options, const void *bytes,
                                 uint32_t num_bytes, zx_handle_disposition_t *handles,
                                 uint32_t num_handles);
zx_status_t zx_channel_call(zx_handle_t handle, uint32_t options, zx_time_t deadline,
                            const zx_channel_call_args_t *args, uint32_t *actual_bytes,
                            uint32_t *actual_handles);

// Sockets
#define ZX_SOCKET_STREAM 0u
#define ZX_SOCKET_DATAGRAM 1u
#define ZX_SOCKET_PEEK (1u << 3)
#define ZX_SOCKET_SHUTDOWN_WRITE 1u
#define ZX_SOCKET_SHUTDOWN_READ 2u

zx_status_t zx_socket_create(uint32_t options, zx_handle_t *out0, zx_handle_t *out1);
zx_status_t zx_socket_write(zx_handle_t handle, uint32_t options, const void *buffer,
                            size_t size, size_t *actual);
zx_status_t zx_socket_read(zx_handle_t handle, uint32_t options, void *buffer, size_t size,
                           size_t *actual);
#define ZX_SOCKET_DISPOSITION_WRITE_DISABLED (1u << 0)
#define ZX_SOCKET_DISPOSITION_WRITE_ENABLED (1u << 1)

zx_status_t zx_socket_shutdown(zx_handle_t handle, uint32_t options);
zx_status_t zx_socket_set_disposition(zx_handle_t handle, uint32_t disposition,
                                      uint32_t disposition_peer);

// Events, timers, ports
#define ZX_TIMER_SLACK_CENTER 0u
#define ZX_TIMER_SLACK_EARLY 1u
#define ZX_TIMER_SLACK_LATE 2u
#define ZX_CLOCK_MONOTONIC 0u
#define ZX_PKT_TYPE_USER 0u
#define ZX_PKT_TYPE_SIGNAL_ONE 1u

typedef struct {
  uint64_t key;
  uint32_t type;
  zx_status_t status;
  union {
    struct {
      uint64_t u64[4];
    } user;
    struct {
      zx_signals_t trigger;
      zx_signals_t observed;
      uint64_t count;
      zx_time_t timestamp;
      uint64_t reserved1;
    } signal;
  };
} zx_port_packet_t;

zx_status_t zx_event_create(uint32_t options, zx_handle_t *out);
zx_status_t zx_eventpair_create(uint32_t options, zx_handle_t *out0, zx_handle_t *out1);
zx_status_t zx_timer_create(uint32_t options, zx_clock_t clock, zx_handle_t *out);
zx_status_t zx_timer_set(zx_handle_t handle, zx_time_t deadline, zx_duration_t slack);
zx_status_t zx_timer_cancel(zx_handle_t handle);
zx_status_t zx_port_create(uint32_t options, zx_handle_t *out);
zx_status_t zx_port_queue(zx_handle_t handle, const zx_port_packet_t *packet);
zx_status_t zx_port_wait(zx_handle_t handle, zx_time_t deadline, zx_port_packet_t *packet);
zx_status_t zx_port_cancel(zx_handle_t handle, zx_handle_t source, uint64_t key);

// Futexes
zx_status_t zx_futex_wait(const zx_futex_t *value, zx_futex_t current, zx_handle_t new_owner,
                          zx_time_t deadline);
zx_status_t zx_futex_wake(const zx_futex_t *value, uint32_t count);
zx_status_t zx_futex_requeue(const zx_futex_t *value, uint32_t wake, zx_futex_t current,
                             const zx_futex_t *requeue, uint32_t requeue_count,
                             zx_handle_t new_owner);
zx_status_t zx_futex_wake_single_owner(const zx_futex_t *value);
zx_status_t zx_futex_get_owner(const zx_futex_t *value, zx_koid_t *koid);
void zx_futex_wake_handle_close_thread_exit(const zx_futex_t *value, uint32_t wake,
                                            int32_t new_value, zx_handle_t close)
    __attribute__((noreturn));

// Memory
#define ZX_VMO_RESIZABLE (1u << 1)
#define ZX_VMO_CHILD_SNAPSHOT (1u << 0)
#define ZX_VMO_CHILD_RESIZABLE (1u << 2)
#define ZX_VMO_CHILD_SLICE (1u << 3)
#define ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE (1u << 4)
#define ZX_VMO_CHILD_NO_WRITE (1u << 5)
#define ZX_VMO_OP_COMMIT 1u
#define ZX_VMO_OP_DECOMMIT 2u
#define ZX_VMO_OP_ZERO 10u

#define ZX_VM_PERM_READ (1u << 0)
#define ZX_VM_PERM_WRITE (1u << 1)
#define ZX_VM_PERM_EXECUTE (1u << 2)
#define ZX_VM_COMPACT (1u << 3)
#define ZX_VM_SPECIFIC (1u << 4)
#define ZX_VM_SPECIFIC_OVERWRITE (1u << 5)
#define ZX_VM_CAN_MAP_SPECIFIC (1u << 6)
#define ZX_VM_CAN_MAP_READ (1u << 7)
#define ZX_VM_CAN_MAP_WRITE (1u << 8)
#define ZX_VM_CAN_MAP_EXECUTE (1u << 9)
#define ZX_VM_REQUIRE_NON_RESIZABLE (1u << 11)
#define ZX_VM_ALLOW_FAULTS (1u << 12)

zx_status_t zx_vmo_create(uint64_t size, uint32_t options, zx_handle_t *out);
zx_status_t zx_vmo_read(zx_handle_t handle, void *buffer, uint64_t offset, size_t size);
zx_status_t zx_vmo_write(zx_handle_t handle, const void *buffer, uint64_t offset, size_t size);
zx_status_t zx_vmo_get_size(zx_handle_t handle, uint64_t *size);
zx_status_t zx_vmo_set_size(zx_handle_t handle, uint64_t size);
zx_status_t zx_vmo_op_range(zx_handle_t handle, uint32_t op, uint64_t offset, uint64_t size,
                            void *buffer, size_t buffer_size);
zx_status_t zx_vmo_create_child(zx_handle_t handle, uint32_t options, uint64_t offset,
                                uint64_t size, zx_handle_t *out);
zx_status_t zx_vmo_replace_as_executable(zx_handle_t handle, zx_handle_t vmex, zx_handle_t *out);
zx_status_t zx_vmar_allocate(zx_handle_t parent, zx_vm_option_t options, size_t offset,
                             size_t size, zx_handle_t *child, zx_vaddr_t *addr);
zx_status_t zx_vmar_destroy(zx_handle_t handle);
zx_status_t zx_vmar_map(zx_handle_t handle, zx_vm_option_t options, size_t vmar_offset,
                        zx_handle_t vmo, uint64_t vmo_offset, size_t len, zx_vaddr_t *addr);
zx_status_t zx_vmar_unmap(zx_handle_t handle, zx_vaddr_t addr, size_t len);
zx_status_t zx_vmar_protect(zx_handle_t handle, zx_vm_option_t options, zx_vaddr_t addr,
                            size_t len);
zx_status_t zx_vmar_unmap_handle_close_thread_exit(zx_handle_t vmar, zx_vaddr_t addr,
                                                   size_t size, zx_handle_t close);

// Jobs, processes, threads
#define ZX_JOB_POL_RELATIVE 0u
#define ZX_JOB_POL_ABSOLUTE 1u
#define ZX_JOB_POL_BASIC_V1 0u
#define ZX_POL_NEW_PROCESS 12u
#define ZX_POL_NEW_EVENT 6u
#define ZX_POL_ACTION_ALLOW 0u
#define ZX_POL_ACTION_DENY 1u

typedef struct {
  uint32_t condition;
  uint32_t policy;
} zx_policy_basic_v1_t;

zx_status_t zx_job_create(zx_handle_t parent, uint32_t options, zx_handle_t *out);
zx_status_t zx_job_set_policy(zx_handle_t handle, uint32_t options, uint32_t topic,
                              const void *policy, uint32_t count);
zx_status_t zx_process_create(zx_handle_t job, const char *name, size_t name_size,
                              uint32_t options, zx_handle_t *process, zx_handle_t *vmar);
zx_status_t zx_process_start(zx_handle_t handle, zx_handle_t thread, zx_vaddr_t entry,
                             zx_vaddr_t stack, zx_handle_t arg1, uintptr_t arg2);
void zx_process_exit(int64_t retcode) __attribute__((noreturn));
zx_status_t zx_process_read_memory(zx_handle_t handle, zx_vaddr_t addr, void *buffer,
                                   size_t size, size_t *actual);
zx_status_t zx_process_write_memory(zx_handle_t handle, zx_vaddr_t addr, const void *buffer,
                                    size_t size, size_t *actual);
zx_status_t zx_task_kill(zx_handle_t handle);
zx_status_t zx_task_suspend(zx_handle_t handle, zx_handle_t *token);
zx_status_t zx_thread_create(zx_handle_t process, const char *name, size_t name_size,
                             uint32_t options, zx_handle_t *out);
zx_status_t zx_thread_start(zx_handle_t handle, zx_vaddr_t entry, zx_vaddr_t stack,
                            uintptr_t arg1, uintptr_t arg2);
void zx_thread_exit(void) __attribute__((noreturn));

// Time, randomness, log
typedef struct {
  const char *c_str;
  size_t length;
} zx_string_view_t;

#define ZX_CPRNG_DRAW_MAX_LEN 256
#define ZX_LOG_RECORD_MAX 256

zx_time_t zx_clock_get_monotonic(void);
zx_time_t zx_deadline_after(zx_duration_t duration);
zx_status_t zx_nanosleep(zx_time_t deadline);
zx_ticks_t zx_ticks_get(void);
zx_ticks_t zx_ticks_per_second(void);
uint32_t zx_system_get_num_cpus(void);
uint64_t zx_system_get_physmem(void);
zx_string_view_t zx_system_get_version_string(void);
void zx_cprng_draw(void *buffer, size_t size);
zx_status_t zx_cprng_add_entropy(const void *buffer, size_t size);
zx_status_t zx_debug_write(const char *buffer, size_t size);
zx_status_t zx_debuglog_create(zx_handle_t resource, uint32_t options, zx_handle_t *out);
zx_status_t zx_debuglog_write(zx_handle_t handle, uint32_t options, const void *buffer,
                              size_t size);
zx_status_t zx_guest_create(zx_handle_t resource, uint32_t options, zx_handle_t *guest,
                            zx_handle_t *vmar);
zx_status_t zx_pager_create(uint32_t options, zx_handle_t *out);
