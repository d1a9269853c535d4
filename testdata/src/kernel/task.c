// Jobs, processes and what one may ask of them.
#include "kernel.h"

#define ZX_TASK_RETCODE_SYSCALL_KILL (-1024)

// ZX_INFO_PROCESS as it is now, and as it was in 2020.
#define ZX_INFO_PROCESS_V2 (3u | 1u << 28)
#define ZX_INFO_PROCESS_V1 3u
#define ZX_INFO_PROCESS_FLAG_STARTED 1u
#define ZX_INFO_PROCESS_FLAG_EXITED 2u

typedef struct {
  int64_t return_code;
  zx_time_t start_time;
  uint32_t flags;
  uint32_t padding;
} process_state;

typedef struct {
  int64_t return_code;
  bool started, exited, debugger_attached;
  uint8_t padding[5];
} process_state_2020;

static zx_status_t get_process_info(zx_handle_t process, process_state *info) {
  return zx_object_get_info(process, ZX_INFO_PROCESS_V2, info, sizeof *info, NULL, NULL);
}

CHECK(process_info) {
  process_state now = {0};
  process_state_2020 then = {0};
  IS(ZX_OBJ_TYPE_PROCESS, type(process_self()));
  OK(get_process_info(process_self(), &now));
  IS(ZX_INFO_PROCESS_FLAG_STARTED, now.flags);
  TRUE(now.start_time > 0 && now.start_time <= zx_clock_get_monotonic());
  OK(zx_object_get_info(process_self(), ZX_INFO_PROCESS_V1, &then, sizeof then, NULL, NULL));
  TRUE(then.started && !then.exited && !then.debugger_attached);
}

CHECK(process_name) {
  char old[ZX_MAX_NAME_LEN], name[ZX_MAX_NAME_LEN];
  OK(zx_object_get_property(process_self(), ZX_PROP_NAME, old, sizeof old));
  OK(zx_object_set_property(process_self(), ZX_PROP_NAME, "checked", 7));
  OK(zx_object_get_property(process_self(), ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "checked"));
  OK(zx_object_set_property(process_self(), ZX_PROP_NAME, old, strlen(old)));
}

CHECK(process_vdso) {
  uintptr_t base = 0;
  OK(zx_object_get_property(process_self(), ZX_PROP_PROCESS_VDSO_BASE_ADDRESS, &base,
                            sizeof base));
  TRUE(base != 0 && base % ZX_PAGE_SIZE == 0);
  IS(0, memcmp((void *)base, "\177ELF", 4));
}

CHECK(process_memory) {
  static char there[16] = "0123456789abcde";
  char here[16] = {0};
  size_t n = 0;
  OK(zx_process_read_memory(process_self(), (zx_vaddr_t)there, here, 16, &n));
  IS(16, n);
  IS(0, strcmp(here, there));
  OK(zx_process_write_memory(process_self(), (zx_vaddr_t)there + 4, "XY", 2, &n));
  IS(2, n);
  IS(0, strcmp(there, "0123XY6789abcde"));
  IS(ZX_ERR_INVALID_ARGS, zx_process_read_memory(process_self(), (zx_vaddr_t)there, here, 0, &n));
  TRUE(zx_process_read_memory(process_self(), 64, here, 4, &n) != ZX_OK);
  TRUE(zx_process_read_memory(process_self(), 0xffffffff80000000, here, 4, &n) != ZX_OK);
}

static zx_handle_t default_job(void) { return start_handle(PA_JOB_DEFAULT, 0); }

CHECK(job_create) {
  zx_handle_t job, grandchild;
  zx_info_job_t info;
  zx_koid_t children[4];
  size_t actual, avail;
  if (default_job() == ZX_HANDLE_INVALID) SKIP("no job given");
  IS(ZX_ERR_INVALID_ARGS, zx_job_create(default_job(), 1, &job));
  OK(zx_job_create(default_job(), 0, &job));
  IS(ZX_OBJ_TYPE_JOB, type(job));
  IS(koid(default_job()), related_koid(job));
  TRUE((signals(job) & (ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES)) ==
       (ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES));
  OK(zx_object_get_info(job, ZX_INFO_JOB, &info, sizeof info, NULL, NULL));
  TRUE(!info.exited && !info.kill_on_oom);
  OK(zx_job_create(job, 0, &grandchild));
  IS(0, signals(job) & ZX_JOB_NO_JOBS);
  OK(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, children, sizeof children, &actual, &avail));
  IS(1, actual);
  IS(koid(grandchild), children[0]);
  zx_handle_t same;
  OK(zx_object_get_child(job, children[0], ZX_RIGHT_SAME_RIGHTS, &same));
  IS(koid(grandchild), koid(same));
  OK(zx_handle_close(same));
  OK(zx_handle_close(grandchild));
  OK(zx_handle_close(job));
}

CHECK(job_policy) {
  zx_handle_t job, child;
  if (default_job() == ZX_HANDLE_INVALID) SKIP("no job given");
  zx_policy_basic_v1_t deny = {ZX_POL_NEW_EVENT, ZX_POL_ACTION_DENY};
  zx_policy_basic_v1_t allow = {ZX_POL_NEW_EVENT, ZX_POL_ACTION_ALLOW};
  zx_policy_basic_v1_t unknown = {999, ZX_POL_ACTION_DENY};
  OK(zx_job_create(default_job(), 0, &job));
  IS(ZX_ERR_INVALID_ARGS, zx_job_set_policy(job, 9, ZX_JOB_POL_BASIC_V1, &deny, 1));
  IS(ZX_ERR_INVALID_ARGS, zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, 77, &deny, 1));
  IS(ZX_ERR_INVALID_ARGS,
     zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &deny, 0));
  TRUE(zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &unknown, 1) != ZX_OK);
  OK(zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &deny, 1));
  OK(zx_job_create(job, 0, &child));
  // A child cannot take it back; and with a child it is settled.
  IS(ZX_ERR_ALREADY_EXISTS,
     zx_job_set_policy(child, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &allow, 1));
  OK(zx_job_set_policy(child, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V1, &allow, 1));
  IS(ZX_ERR_BAD_STATE,
     zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &deny, 1));
  OK(zx_handle_close(child));
  OK(zx_handle_close(job));
}

CHECK(process_create) {
  zx_handle_t process, vmar;
  zx_info_vmar_t region;
  process_state info = {0};
  char name[ZX_MAX_NAME_LEN];
  if (default_job() == ZX_HANDLE_INVALID) SKIP("no job given");
  IS(ZX_ERR_INVALID_ARGS, zx_process_create(default_job(), "p", 1, 0x100, &process, &vmar));
  OK(zx_process_create(default_job(), "other", 5, 0, &process, &vmar));
  OK(zx_object_get_property(process, ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "other"));
  OK(zx_object_get_info(vmar, ZX_INFO_VMAR, &region, sizeof region, NULL, NULL));
  TRUE(region.len > 1ul << 40);
  OK(get_process_info(process, &info));
  IS(0, info.flags);
  IS(0, signals(process) & ZX_TASK_TERMINATED);
  // Its memory can be filled before it runs.
  zx_handle_t v;
  zx_vaddr_t address;
  char byte = 0;
  size_t n;
  OK(zx_vmo_create(ZX_PAGE_SIZE, 0, &v));
  OK(zx_vmo_write(v, "v", 100, 1));
  OK(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, v, 0, ZX_PAGE_SIZE, &address));
  OK(zx_process_read_memory(process, address + 100, &byte, 1, &n));
  IS('v', byte);
  OK(zx_process_write_memory(process, address + 100, "w", 1, &n));
  OK(zx_vmo_read(v, &byte, 100, 1));
  IS('w', byte);
  OK(zx_handle_close(v));
  // Killed before it ran.
  OK(zx_task_kill(process));
  OK(zx_object_wait_one(process, ZX_TASK_TERMINATED, soon(), NULL));
  OK(get_process_info(process, &info));
  IS(ZX_INFO_PROCESS_FLAG_EXITED, info.flags & ZX_INFO_PROCESS_FLAG_EXITED);
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, info.return_code);
  OK(zx_handle_close(process));
  OK(zx_handle_close(vmar));
}

CHECK(process_start_errors) {
  zx_handle_t process, vmar, t, e;
  if (default_job() == ZX_HANDLE_INVALID) SKIP("no job given");
  OK(zx_process_create(default_job(), "never", 5, 0, &process, &vmar));
  OK(zx_thread_create(process, "main", 4, 0, &t));
  // The handle for the new process is gone whatever happens.
  OK(zx_event_create(0, &e));
  IS(ZX_ERR_WRONG_TYPE, zx_process_start(process, process, 0x1000000, 0x1000000, e, 0));
  TRUE(!is_valid(e));
  OK(zx_event_create(0, &e));
  IS(ZX_ERR_INVALID_ARGS, zx_process_start(process, t, 0x8000000000000000, 0x1000000, e, 0));
  TRUE(!is_valid(e));
  OK(zx_handle_close(t));
  // A thread cannot be the first by itself.
  OK(zx_thread_create(process, "main", 4, 0, &t));
  IS(ZX_ERR_BAD_STATE, zx_thread_start(t, 0x1000000, 0x1000000, 0, 0));
  OK(zx_task_kill(process));
  OK(zx_object_wait_one(process, ZX_TASK_TERMINATED, soon(), NULL));
  OK(zx_handle_close(t));
  OK(zx_handle_close(process));
  OK(zx_handle_close(vmar));
}

CHECK(job_kill) {
  zx_handle_t job, child, process, vmar, none;
  zx_info_job_t info;
  process_state p = {0};
  if (default_job() == ZX_HANDLE_INVALID) SKIP("no job given");
  OK(zx_job_create(default_job(), 0, &job));
  OK(zx_job_create(job, 0, &child));
  OK(zx_process_create(child, "victim", 6, 0, &process, &vmar));
  IS(0, signals(child) & ZX_JOB_NO_PROCESSES);
  OK(zx_task_kill(job));
  OK(zx_object_wait_one(process, ZX_TASK_TERMINATED, soon(), NULL));
  OK(zx_object_wait_one(job, ZX_TASK_TERMINATED, soon(), NULL));
  OK(get_process_info(process, &p));
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, p.return_code);
  OK(zx_object_get_info(job, ZX_INFO_JOB, &info, sizeof info, NULL, NULL));
  TRUE(info.exited);
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, info.return_code);
  IS(ZX_ERR_BAD_STATE, zx_process_create(job, "late", 4, 0, &none, &none));
  IS(ZX_ERR_BAD_STATE, zx_job_create(job, 0, &none));
  OK(zx_handle_close(vmar));
  OK(zx_handle_close(process));
  OK(zx_handle_close(child));
  OK(zx_handle_close(job));
}

CHECK(task_kill_thread) {
  // The page says NOT_SUPPORTED; Zircon says this.
  IS(ZX_ERR_WRONG_TYPE, zx_task_kill(thread_self()));
}
