// Runs checks, and what they are made of.
#include "kernel.h"

extern check __start_checks[] __attribute__((visibility("hidden")));
extern check __stop_checks[] __attribute__((visibility("hidden")));

static const check *current;
static enum { PASSED, FAILED, SKIPPED } outcome;

bool matches(int line, int64_t want, int64_t got) {
  if (got == want) return true;
  print("FAIL %s: %s:%d wants %ld (%ld)\n", current->name, current->file, line, want, got);
  outcome = FAILED;
  return false;
}

void skipped(const char *why) {
  print("skip %s: %s\n", current->name, why);
  outcome = SKIPPED;
}

zx_time_t soon(void) { return zx_deadline_after(ZX_SEC(20)); }

static zx_info_handle_basic_t basic(zx_handle_t handle) {
  zx_info_handle_basic_t info;
  if (zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL) != ZX_OK)
    memset(&info, 0, sizeof info);
  return info;
}

zx_koid_t koid(zx_handle_t handle) { return basic(handle).koid; }
zx_koid_t related_koid(zx_handle_t handle) { return basic(handle).related_koid; }
zx_rights_t rights(zx_handle_t handle) { return basic(handle).rights; }
zx_obj_type_t type(zx_handle_t handle) { return basic(handle).type; }

zx_signals_t signals(zx_handle_t handle) {
  zx_signals_t observed = 0;
  zx_object_wait_one(handle, 0, 0, &observed);
  return observed;
}

bool is_valid(zx_handle_t handle) {
  return zx_object_get_info(handle, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL) == ZX_OK;
}

uint32_t thread_state(zx_handle_t thread) {
  struct {
    uint32_t state, wait_exception_channel_type;
    uint64_t cpu_affinity[8];
  } info;
  zx_status_t status =
      zx_object_get_info(thread, ZX_INFO_THREAD, &info, sizeof info, NULL, NULL);
  return status == ZX_OK ? info.state : UINT32_MAX;
}

zx_handle_t process_self(void) { return start_handle(PA_PROC_SELF, 0); }
zx_handle_t vmar_root(void) { return start_handle(PA_VMAR_ROOT, 0); }
zx_handle_t thread_self(void) { return start_handle(PA_THREAD_SELF, 0); }

void *const bad_pointers[NUM_BAD_POINTERS] = {
    NULL,
    (void *)64,
    (void *)0xffffffff80000000,
    (void *)0x8000000000000000,
};

static bool chosen(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (after_prefix(name, argv[i])) return true;
  return argc <= 1;
}

int64_t run_checks(int argc, char **argv) {
  int64_t failures = 0, ran = 0;
  bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
  for (current = __start_checks; current < __stop_checks; current++) {
    if (list) {
      print("%s\n", current->name);
      continue;
    }
    if (!chosen(current->name, argc, argv)) continue;
    outcome = PASSED;
    current->run();
    if (outcome == PASSED) print("ok %s\n", current->name);
    failures += outcome == FAILED;
    ran++;
  }
  if (!list && ran == 0) {
    print("no such check\n");
    return 255;
  }
  return failures;
}
