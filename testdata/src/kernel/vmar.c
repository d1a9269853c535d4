#include "kernel.h"

enum { PAGE = 4096 };

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define CAN_MAP_RW (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE)

static zx_handle_t new_vmo(uint64_t size) {
  zx_handle_t v = ZX_HANDLE_INVALID;
  zx_vmo_create(size, 0, &v);
  return v;
}

static volatile char *at(zx_vaddr_t address) { return (volatile char *)address; }

// Whether the kernel can read, or write, a byte of ours there: a way to look
// at a mapping without a fault.
static bool readable(zx_vaddr_t address) {
  static zx_handle_t vmo;
  if (vmo == ZX_HANDLE_INVALID) vmo = new_vmo(PAGE);
  return zx_vmo_write(vmo, (void *)address, 0, 1) == ZX_OK;
}
static bool writable(zx_vaddr_t address) {
  static zx_handle_t vmo;
  if (vmo == ZX_HANDLE_INVALID) vmo = new_vmo(PAGE);
  return zx_vmo_read(vmo, (void *)address, 0, 1) == ZX_OK;
}

CHECK(vmar_map) {
  zx_handle_t v = new_vmo(2 * PAGE);
  zx_vaddr_t a, b;
  char byte;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 2 * PAGE, &a));
  IS(0, a % PAGE);
  IS(0, *at(a));
  // Memory, VMO and a second mapping are the same bytes.
  *at(a + PAGE) = 'm';
  OK(zx_vmo_read(v, &byte, PAGE, 1));
  IS('m', byte);
  OK(zx_vmo_write(v, "v", PAGE + 1, 1));
  IS('v', *at(a + PAGE + 1));
  OK(zx_vmar_map(vmar_root(), ZX_VM_PERM_READ, 0, v, PAGE, PAGE, &b));
  IS('m', *at(b));
  *at(a + PAGE) = 'n';
  IS('n', *at(b));
  TRUE(readable(b) && !writable(b) && writable(a));
  // A mapping keeps the VMO.
  OK(zx_handle_close(v));
  *at(a) = 'k';
  IS('k', *at(a));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  TRUE(!readable(a));
  IS('n', *at(b));
  OK(zx_vmar_unmap(vmar_root(), b, PAGE));
}

CHECK(vmar_map_errors) {
  zx_handle_t v = new_vmo(PAGE), weak;
  zx_vaddr_t a;
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar_root(), RW, 0, v, 0, 0, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar_root(), RW, 0, v, 1, PAGE, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar_root(), RW, PAGE, v, 0, PAGE, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar_root(), ZX_VM_PERM_WRITE, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar_root(), RW | 0x800000, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_OUT_OF_RANGE,
     zx_vmar_map(vmar_root(), RW | ZX_VM_ALLOW_FAULTS, 0, v, -(uint64_t)PAGE, 2 * PAGE, &a));
  IS(ZX_ERR_WRONG_TYPE, zx_vmar_map(v, RW, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_WRONG_TYPE, zx_vmar_map(vmar_root(), RW, 0, vmar_root(), 0, PAGE, &a));
  IS(ZX_ERR_BAD_HANDLE, zx_vmar_map(vmar_root(), RW, 0, ZX_HANDLE_INVALID, 0, PAGE, &a));
  // The VMO's rights bound the mapping.
  OK(zx_handle_duplicate(v, ZX_RIGHT_READ | ZX_RIGHT_MAP, &weak));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(vmar_root(), RW, 0, weak, 0, PAGE, &a));
  OK(zx_vmar_map(vmar_root(), ZX_VM_PERM_READ, 0, weak, 0, PAGE, &a));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(vmar_root(), RW, a, PAGE));
  OK(zx_vmar_unmap(vmar_root(), a, PAGE));
  OK(zx_handle_close(weak));
  OK(zx_handle_duplicate(v, ZX_RIGHT_READ, &weak));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(vmar_root(), ZX_VM_PERM_READ, 0, weak, 0, PAGE, &a));
  OK(zx_handle_close(weak));
  OK(zx_handle_close(v));
  OK(zx_vmo_create(PAGE, ZX_VMO_RESIZABLE, &v));
  IS(ZX_ERR_NOT_SUPPORTED,
     zx_vmar_map(vmar_root(), RW | ZX_VM_REQUIRE_NON_RESIZABLE, 0, v, 0, PAGE, &a));
  OK(zx_handle_close(v));
}

CHECK(vmar_allocate) {
  zx_handle_t region, inner;
  zx_vaddr_t base, inner_base, a;
  zx_info_vmar_t info;
  OK(zx_vmar_allocate(vmar_root(), CAN_MAP_RW | ZX_VM_CAN_MAP_SPECIFIC, 0, 16 * PAGE, &region,
                      &base));
  OK(zx_object_get_info(region, ZX_INFO_VMAR, &info, sizeof info, NULL, NULL));
  IS(base, info.base);
  IS(16 * PAGE, info.len);
  IS(ZX_OBJ_TYPE_VMAR, type(region));
  OK(zx_vmar_allocate(region, ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ, 4 * PAGE, 4 * PAGE, &inner,
                      &inner_base));
  IS(base + 4 * PAGE, inner_base);
  // Permissions only get fewer.
  zx_handle_t v = new_vmo(PAGE), none;
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(inner, RW, 0, v, 0, PAGE, &a));
  OK(zx_vmar_map(inner, ZX_VM_PERM_READ, 0, v, 0, PAGE, &a));
  TRUE(a >= inner_base && a < inner_base + 4 * PAGE);
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(inner, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_allocate(inner, CAN_MAP_RW, 0, PAGE, &none, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(region, CAN_MAP_RW, 0, 0, &none, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(region, CAN_MAP_RW, PAGE, PAGE, &none, &a));
  IS(ZX_ERR_INVALID_ARGS,
     zx_vmar_allocate(region, CAN_MAP_RW | ZX_VM_SPECIFIC, 16 * PAGE, PAGE, &none, &a));
  // Occupied.
  TRUE(zx_vmar_allocate(region, CAN_MAP_RW | ZX_VM_SPECIFIC, 5 * PAGE, PAGE, &none, &a) != ZX_OK);
  IS(ZX_ERR_ALREADY_EXISTS, zx_vmar_map(region, RW | ZX_VM_SPECIFIC, 5 * PAGE, v, 0, PAGE, &a));
  // Full.
  TRUE(zx_vmar_allocate(region, CAN_MAP_RW, 0, 13 * PAGE, &none, &a) != ZX_OK);
  OK(zx_vmar_destroy(region));
  OK(zx_handle_close(inner));
  OK(zx_handle_close(region));
  OK(zx_handle_close(v));
}

CHECK(vmar_specific) {
  zx_handle_t region, v = new_vmo(4 * PAGE), w = new_vmo(4 * PAGE);
  zx_vaddr_t base, a;
  OK(zx_vmo_write(v, "v", PAGE, 1));
  OK(zx_vmo_write(w, "w", 0, 1));
  OK(zx_vmar_allocate(vmar_root(), CAN_MAP_RW | ZX_VM_CAN_MAP_SPECIFIC, 0, 8 * PAGE, &region,
                      &base));
  OK(zx_vmar_map(region, RW | ZX_VM_SPECIFIC, 2 * PAGE, v, 0, 4 * PAGE, &a));
  IS(base + 2 * PAGE, a);
  IS(ZX_ERR_ALREADY_EXISTS, zx_vmar_map(region, RW | ZX_VM_SPECIFIC, 3 * PAGE, w, 0, PAGE, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(region, RW | ZX_VM_SPECIFIC, 5, w, 0, PAGE, &a));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_map(region, RW | ZX_VM_SPECIFIC, 7 * PAGE, w, 0, 2 * PAGE, &a));
  // Overwriting replaces just that range.
  *at(base + 2 * PAGE) = '2';
  *at(base + 4 * PAGE) = '4';
  OK(zx_vmar_map(region, RW | ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE, 3 * PAGE, w, 0, PAGE, &a));
  IS(base + 3 * PAGE, a);
  IS('w', *at(a));
  IS('2', *at(base + 2 * PAGE));
  IS('4', *at(base + 4 * PAGE));
  // Over the end of one mapping, and what is free.
  OK(zx_vmar_map(region, RW | ZX_VM_SPECIFIC_OVERWRITE, 5 * PAGE, w, 0, 2 * PAGE, &a));
  IS('w', *at(base + 5 * PAGE));
  IS(0, *at(base + 6 * PAGE));
  OK(zx_vmar_destroy(region));
  TRUE(!readable(base + 3 * PAGE));
  OK(zx_handle_close(region));
  OK(zx_handle_close(v));
  OK(zx_handle_close(w));
}

CHECK(vmar_unmap) {
  zx_handle_t v = new_vmo(5 * PAGE);
  zx_vaddr_t a;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 5 * PAGE, &a));
  for (char i = 0; i < 5; i++) *at(a + i * PAGE) = '0' + i;
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(vmar_root(), a + 1, PAGE));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(vmar_root(), a, 0));
  // From the middle, then from both ends.
  OK(zx_vmar_unmap(vmar_root(), a + 2 * PAGE, PAGE));
  TRUE(readable(a + PAGE) && !readable(a + 2 * PAGE) && readable(a + 3 * PAGE));
  IS('3', *at(a + 3 * PAGE));
  OK(zx_vmar_unmap(vmar_root(), a, PAGE));
  OK(zx_vmar_unmap(vmar_root(), a + 4 * PAGE, PAGE));
  IS('1', *at(a + PAGE));
  IS('3', *at(a + 3 * PAGE));
  // Across the hole.
  OK(zx_vmar_unmap(vmar_root(), a + PAGE, 3 * PAGE));
  TRUE(!readable(a + PAGE) && !readable(a + 3 * PAGE));
  OK(zx_handle_close(v));
}

CHECK(vmar_protect) {
  zx_handle_t v = new_vmo(3 * PAGE);
  zx_vaddr_t a;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 3 * PAGE, &a));
  *at(a + PAGE) = 'x';
  OK(zx_vmar_protect(vmar_root(), ZX_VM_PERM_READ, a + PAGE, PAGE));
  TRUE(writable(a) && !writable(a + PAGE) && writable(a + 2 * PAGE));
  IS('x', *at(a + PAGE));
  OK(zx_vmar_protect(vmar_root(), RW, a, 3 * PAGE));
  *at(a + PAGE) = 'y';
  IS('y', *at(a + PAGE));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_protect(vmar_root(), ZX_VM_PERM_WRITE, a, PAGE));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_protect(vmar_root(), RW, a + 1, PAGE));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_protect(vmar_root(), RW, a, 0));
  IS(ZX_ERR_ACCESS_DENIED,
     zx_vmar_protect(vmar_root(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, a, PAGE));
  // No access at all.
  OK(zx_vmar_protect(vmar_root(), 0, a, PAGE));
  TRUE(!readable(a));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  IS(ZX_ERR_NOT_FOUND, zx_vmar_protect(vmar_root(), ZX_VM_PERM_READ, a, 3 * PAGE));
  TRUE(writable(a + 2 * PAGE));
  OK(zx_vmar_unmap(vmar_root(), a + 2 * PAGE, PAGE));
  OK(zx_handle_close(v));
}

CHECK(vmar_destroy) {
  zx_handle_t region, inner, none, v = new_vmo(PAGE);
  zx_vaddr_t base, a, b;
  OK(zx_vmar_allocate(vmar_root(), CAN_MAP_RW, 0, 8 * PAGE, &region, &base));
  OK(zx_vmar_allocate(region, CAN_MAP_RW, 0, 4 * PAGE, &inner, &a));
  OK(zx_vmar_map(inner, RW, 0, v, 0, PAGE, &b));
  TRUE(writable(b));
  OK(zx_vmar_destroy(region));
  TRUE(!readable(b));
  IS(ZX_ERR_BAD_STATE, zx_vmar_map(inner, RW, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_BAD_STATE, zx_vmar_map(region, RW, 0, v, 0, PAGE, &a));
  IS(ZX_ERR_BAD_STATE, zx_vmar_allocate(region, CAN_MAP_RW, 0, PAGE, &none, &a));
  IS(ZX_ERR_BAD_STATE, zx_vmar_unmap(region, base, PAGE));
  IS(ZX_ERR_BAD_STATE, zx_vmar_protect(region, RW, base, PAGE));
  IS(ZX_ERR_BAD_STATE, zx_vmar_destroy(region));
  OK(zx_handle_close(inner));
  OK(zx_handle_close(region));
  // Closing the handle alone does nothing to the region.
  OK(zx_vmar_allocate(vmar_root(), CAN_MAP_RW, 0, 8 * PAGE, &region, &base));
  OK(zx_vmar_map(region, RW, 0, v, 0, PAGE, &b));
  OK(zx_handle_close(region));
  TRUE(writable(b));
  // Unmapping it from outside destroys it.
  OK(zx_vmar_unmap(vmar_root(), base, 8 * PAGE));
  TRUE(!readable(b));
  OK(zx_handle_close(v));
}

CHECK(vmar_unmap_region) {
  zx_handle_t region, v = new_vmo(PAGE);
  zx_vaddr_t base, a;
  OK(zx_vmar_allocate(vmar_root(), CAN_MAP_RW, 0, 4 * PAGE, &region, &base));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(vmar_root(), base, 2 * PAGE));  // only a part
  OK(zx_vmar_map(region, RW, 0, v, 0, PAGE, &a));
  OK(zx_vmar_unmap(vmar_root(), base, 4 * PAGE));
  IS(ZX_ERR_BAD_STATE, zx_vmar_map(region, RW, 0, v, 0, PAGE, &a));
  OK(zx_handle_close(region));
  OK(zx_handle_close(v));
}

CHECK(vmar_snapshot) {
  // A snapshot of a VMO that is mapped and written to through the mapping.
  zx_handle_t v = new_vmo(2 * PAGE), c;
  zx_vaddr_t a, b;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 2 * PAGE, &a));
  *at(a) = 'a';
  *at(a + PAGE) = 'b';
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &c));
  OK(zx_vmar_map(vmar_root(), RW, 0, c, 0, 2 * PAGE, &b));
  IS('a', *at(b));
  *at(a) = 'A';
  IS('a', *at(b));
  *at(b + PAGE) = 'B';
  IS('b', *at(a + PAGE));
  IS('B', *at(b + PAGE));
  char byte;
  OK(zx_vmo_read(c, &byte, 0, 1));
  IS('a', byte);
  OK(zx_vmo_read(v, &byte, 0, 1));
  IS('A', byte);
  // And a second one, of what it is now.
  OK(zx_handle_close(c));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &c));
  *at(a) = 'Z';
  OK(zx_vmo_read(c, &byte, 0, 1));
  IS('A', byte);
  IS('a', *at(b));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  OK(zx_vmar_unmap(vmar_root(), b, 2 * PAGE));
  OK(zx_handle_close(v));
  OK(zx_handle_close(c));
}

CHECK(vmar_slice) {
  zx_handle_t v = new_vmo(2 * PAGE), s;
  zx_vaddr_t a, b;
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &s));
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 2 * PAGE, &a));
  OK(zx_vmar_map(vmar_root(), RW, 0, s, 0, PAGE, &b));
  *at(a + PAGE) = 'a';
  IS('a', *at(b));
  *at(b + 1) = 'b';
  IS('b', *at(a + PAGE + 1));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  OK(zx_vmar_unmap(vmar_root(), b, PAGE));
  OK(zx_handle_close(v));
  OK(zx_handle_close(s));
}

CHECK(vmar_resized_vmo) {
  zx_handle_t v;
  zx_vaddr_t a;
  OK(zx_vmo_create(PAGE, ZX_VMO_RESIZABLE, &v));
  OK(zx_vmar_map(vmar_root(), RW | ZX_VM_ALLOW_FAULTS, 0, v, 0, 2 * PAGE, &a));
  TRUE(readable(a) && !readable(a + PAGE));
  // The mapping follows the VMO.
  OK(zx_vmo_set_size(v, 2 * PAGE));
  *at(a + PAGE) = 'x';
  IS('x', *at(a + PAGE));
  OK(zx_vmo_set_size(v, PAGE));
  TRUE(readable(a) && !readable(a + PAGE));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  OK(zx_handle_close(v));
}

CHECK(vmar_zeroed_while_mapped) {
  zx_handle_t v = new_vmo(2 * PAGE);
  zx_vaddr_t a;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, 2 * PAGE, &a));
  *at(a) = *at(a + PAGE) = 'x';
  OK(zx_vmo_op_range(v, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0));
  IS(0, *at(a));
  IS('x', *at(a + PAGE));
  OK(zx_vmo_op_range(v, ZX_VMO_OP_ZERO, PAGE, 1, NULL, 0));
  IS(0, *at(a + PAGE));
  OK(zx_vmar_unmap(vmar_root(), a, 2 * PAGE));
  OK(zx_handle_close(v));
}

CHECK(vmar_many_mappings) {
  enum { N = 200 };
  static zx_vaddr_t a[N];
  zx_handle_t v = new_vmo(N * PAGE);
  for (int i = 0; i < N; i++) {
    OK(zx_vmar_map(vmar_root(), RW, 0, v, (uint64_t)i * PAGE, PAGE, &a[i]));
    *at(a[i]) = (char)i;
  }
  for (int i = 0; i < N; i++) {
    char byte;
    OK(zx_vmo_read(v, &byte, (uint64_t)i * PAGE, 1));
    IS((char)i, byte);
    OK(zx_vmar_unmap(vmar_root(), a[i], PAGE));
  }
  OK(zx_handle_close(v));
}

CHECK(vmar_root_info) {
  zx_info_vmar_t info;
  OK(zx_object_get_info(vmar_root(), ZX_INFO_VMAR, &info, sizeof info, NULL, NULL));
  TRUE(info.base > 0 && info.base % PAGE == 0);
  TRUE(info.base + info.len <= 0x7ffffffff000);
  zx_vaddr_t here = (zx_vaddr_t)&info;
  TRUE(here > info.base && here < info.base + info.len);
}

CHECK(vmar_beyond_the_root) {
  // Whatever is mapped above the root VMAR is not the program's: the kernel
  // writes nothing there for it, and maps nothing.
  zx_info_vmar_t info;
  zx_handle_t v = new_vmo(PAGE), e;
  zx_vaddr_t a;
  OK(zx_object_get_info(vmar_root(), ZX_INFO_VMAR, &info, sizeof info, NULL, NULL));
  zx_vaddr_t end = info.base + info.len;
  for (zx_vaddr_t p = end; p < 0x7ffffffff000 && p < end + 4096 * PAGE; p += PAGE) {
    IS(ZX_ERR_INVALID_ARGS, zx_event_create(0, (zx_handle_t *)p));
    TRUE(!readable(p));
  }
  IS(ZX_ERR_INVALID_ARGS, zx_event_create(0, (zx_handle_t *)0x7fffffffe000));
  IS(ZX_ERR_INVALID_ARGS, zx_event_create(0, (zx_handle_t *)(end - 2)));
  IS(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(vmar_root(), end, PAGE));
  IS(ZX_ERR_INVALID_ARGS,
     zx_vmar_map(vmar_root(), RW | ZX_VM_SPECIFIC, info.len, v, 0, PAGE, &a));
  OK(zx_event_create(0, &e));
  OK(zx_handle_close(e));
  OK(zx_handle_close(v));
}

static void write_there(void *where) { *(volatile char *)where = 't'; }

CHECK(vmar_threads_share) {
  zx_handle_t v = new_vmo(PAGE);
  zx_vaddr_t a;
  thread t;
  OK(zx_vmar_map(vmar_root(), RW, 0, v, 0, PAGE, &a));
  OK(thread_start(&t, write_there, (void *)a));
  OK(thread_join(&t));
  IS('t', *at(a));
  OK(zx_vmar_unmap(vmar_root(), a, PAGE));
  OK(zx_handle_close(v));
}
