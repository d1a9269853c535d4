// Time, randomness, logs, and calls that there are not.
#include "kernel.h"

CHECK(clock) {
  zx_time_t last = zx_clock_get_monotonic();
  TRUE(last > 0);
  for (int i = 0; i < 10000; i++) {
    zx_time_t now = zx_clock_get_monotonic();
    TRUE(now >= last);
    last = now;
  }
  TRUE(zx_ticks_per_second() > 0);
  zx_ticks_t ticks = zx_ticks_get();
  OK(zx_nanosleep(zx_deadline_after(ZX_MSEC(2))));
  zx_ticks_t passed = zx_ticks_get() - ticks;
  TRUE(passed >= zx_ticks_per_second() / 500);
}

CHECK(deadline_after) {
  zx_time_t now = zx_clock_get_monotonic();
  TRUE(zx_deadline_after(ZX_SEC(5)) >= now + ZX_SEC(5));
  IS(ZX_TIME_INFINITE, zx_deadline_after(INT64_MAX));
  IS(ZX_TIME_INFINITE, zx_deadline_after(INT64_MAX - 1));
  TRUE(zx_deadline_after(-ZX_SEC(1)) < zx_clock_get_monotonic());
  TRUE(zx_deadline_after(INT64_MIN) < 0);
}

CHECK(nanosleep) {
  OK(zx_nanosleep(0));
  OK(zx_nanosleep(INT64_MIN));
  zx_time_t deadline = zx_deadline_after(ZX_MSEC(3));
  OK(zx_nanosleep(deadline));
  TRUE(zx_clock_get_monotonic() >= deadline);
}

CHECK(cprng) {
  static uint8_t a[ZX_CPRNG_DRAW_MAX_LEN], b[ZX_CPRNG_DRAW_MAX_LEN];
  zx_cprng_draw(a, sizeof a);
  zx_cprng_draw(b, sizeof b);
  TRUE(memcmp(a, b, sizeof a) != 0);
  uint8_t guard[3] = {7, 7, 7};
  zx_cprng_draw(&guard[1], 0);
  IS(7, guard[1]);
  // More than one draw of the kernel's is still one call of the vDSO's.
  static uint8_t large[1000];
  zx_cprng_draw(large, sizeof large);
  bool tail = false;
  for (int i = 936; i < 1000; i++) tail |= large[i] != 0;
  TRUE(tail);
  OK(zx_cprng_add_entropy(a, sizeof a));
  IS(ZX_ERR_INVALID_ARGS, zx_cprng_add_entropy(large, sizeof large));
  IS(ZX_ERR_INVALID_ARGS, zx_cprng_add_entropy(bad_pointers[2], 8));
}

CHECK(system) {
  TRUE(zx_system_get_num_cpus() >= 1);
  TRUE(zx_system_get_physmem() >= 1 << 20);
  zx_string_view_t version = zx_system_get_version_string();
  TRUE(version.length > 0);
  IS(version.length, strlen(version.c_str));
}

CHECK(debuglog) {
  zx_handle_t log;
  zx_status_t status = zx_debuglog_create(ZX_HANDLE_INVALID, 0, &log);
  if (status == ZX_ERR_ACCESS_DENIED || status == ZX_ERR_BAD_HANDLE)
    SKIP("the debug log takes a resource");
  OK(status);
  IS(ZX_OBJ_TYPE_LOG, type(log));
  OK(zx_debuglog_write(log, 0, "a line in the debug log", 23));
  IS(ZX_ERR_INVALID_ARGS, zx_debuglog_write(log, 0, bad_pointers[2], 10));
  zx_handle_t none;
  IS(ZX_ERR_INVALID_ARGS, zx_debuglog_create(ZX_HANDLE_INVALID, 0x123, &none));
  OK(zx_handle_close(log));
}

CHECK(not_supported) {
  zx_handle_t a, b;
  IS(ZX_ERR_NOT_SUPPORTED, zx_guest_create(ZX_HANDLE_INVALID, 0, &a, &b));
  IS(ZX_ERR_NOT_SUPPORTED, zx_pager_create(0, &a));
}

CHECK(startup_handles) {
  // What a process has from the start.
  IS(ZX_OBJ_TYPE_PROCESS, type(process_self()));
  IS(ZX_OBJ_TYPE_THREAD, type(thread_self()));
  IS(ZX_OBJ_TYPE_VMAR, type(vmar_root()));
  IS(ZX_OBJ_TYPE_VMAR, type(start_handle(PA_VMAR_LOADED, 0)));
  IS(ZX_OBJ_TYPE_VMO, type(start_handle(PA_VMO_STACK, 0)));
  IS(ZX_OBJ_TYPE_VMO, type(start_handle(PA_VMO_VDSO, 0)));
  IS(koid(process_self()), related_koid(thread_self()));
  // We are loaded in the one VMAR, and run on the stack of the other.
  zx_info_vmar_t loaded;
  OK(zx_object_get_info(start_handle(PA_VMAR_LOADED, 0), ZX_INFO_VMAR, &loaded, sizeof loaded, NULL,
                        NULL));
  zx_vaddr_t code = (zx_vaddr_t)&startup_handles;
  TRUE(code >= loaded.base && code < loaded.base + loaded.len);
}
