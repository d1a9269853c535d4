// The bootstrap message: the first thing a process reads, from the channel
// whose handle it is started with. Names and values of <zircon/processargs.h>;
// https://fuchsia.dev/fuchsia-src/concepts/process/program_loading tells who
// sends what.
#pragma once

#include "zircon.h"

#define ZX_PROCARGS_PROTOCOL 0x4150585du
#define ZX_PROCARGS_VERSION 0x00001000u

// The message starts with this. Offsets are from the start of the message.
// Each list of strings is so many strings one after the other, each with its
// NUL; handle_info_off is the place of one uint32_t for each handle.
typedef struct {
  uint32_t protocol;
  uint32_t version;
  uint32_t handle_info_off;
  uint32_t args_off;
  uint32_t args_num;
  uint32_t environ_off;
  uint32_t environ_num;
  uint32_t names_off;
  uint32_t names_num;
} zx_proc_args_t;

// A handle info: what the handle is, and for some which one.
#define PA_HND(type, arg) (((type)&0xffu) | (((uint32_t)(arg)&0xffffu) << 16))
#define PA_HND_TYPE(info) ((info)&0xffu)
#define PA_HND_ARG(info) (((info) >> 16) & 0xffffu)

#define PA_PROC_SELF 0x01u
#define PA_THREAD_SELF 0x02u
#define PA_JOB_DEFAULT 0x03u
#define PA_VMAR_ROOT 0x04u
#define PA_VMAR_LOADED 0x05u
#define PA_LDSVC_LOADER 0x10u
#define PA_VMO_VDSO 0x11u
#define PA_VMO_STACK 0x13u
#define PA_VMO_EXECUTABLE 0x14u
#define PA_NS_DIR 0x20u  // arg: index of its path among the names
#define PA_FD 0x30u      // arg: the file descriptor
#define PA_DIRECTORY_REQUEST 0x3bu
#define PA_USER0 0xf0u
#define PA_USER1 0xf1u
#define PA_USER2 0xf2u

// In the arg of a PA_FD: this handle serves for standard input, output and error.
#define PA_FD_STDIO 0x8000u
