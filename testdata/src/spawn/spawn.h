#pragma once

#include "../kernel/kernel.h"
#include "fidl.h"

#define ZX_INFO_PROCESS_V2 (3u | 1u << 28)
#define ZX_TASK_RETCODE_SYSCALL_KILL (-1024)

// A new handle of our job.
zx_handle_t job_for_child(void);

// Waits for a process's end, closes the handle, and gives the return code.
int64_t wait_for(zx_handle_t process);
