#include "kernel.h"

enum { PAGE = 4096 };

static char buffer[4 * PAGE];

// What a VMO holds at an offset.
static char byte_at(zx_handle_t vmo, uint64_t offset) {
  char byte = 0x7f;
  zx_vmo_read(vmo, &byte, offset, 1);
  return byte;
}

static zx_status_t set_byte(zx_handle_t vmo, uint64_t offset, char byte) {
  return zx_vmo_write(vmo, &byte, offset, 1);
}

static uint64_t size_of(zx_handle_t vmo) {
  uint64_t size = UINT64_MAX;
  zx_vmo_get_size(vmo, &size);
  return size;
}

CHECK(vmo_create) {
  zx_handle_t v;
  IS(ZX_ERR_INVALID_ARGS, zx_vmo_create(PAGE, 1u << 30, &v));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_create(UINT64_MAX, 0, &v));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_create(UINT64_MAX - 2 * PAGE, 0, &v));
  OK(zx_vmo_create(0, 0, &v));
  IS(0, size_of(v));
  OK(zx_handle_close(v));
  OK(zx_vmo_create(PAGE + 1, 0, &v));
  IS(2 * PAGE, size_of(v));
  IS(ZX_OBJ_TYPE_VMO, type(v));
  zx_rights_t want = ZX_RIGHTS_BASIC | ZX_RIGHTS_IO | ZX_RIGHT_MAP | ZX_RIGHT_GET_PROPERTY |
                     ZX_RIGHT_SET_PROPERTY;
  IS(want, rights(v) & want);
  IS(0, rights(v) & ZX_RIGHT_EXECUTE);
  TRUE(signals(v) & ZX_VMO_ZERO_CHILDREN);
  uint64_t content = 0;
  OK(zx_object_get_property(v, ZX_PROP_VMO_CONTENT_SIZE, &content, sizeof content));
  IS(PAGE + 1, content);
  OK(zx_handle_close(v));
}

CHECK(vmo_read_write) {
  zx_handle_t v;
  OK(zx_vmo_create(4 * PAGE, 0, &v));
  memset(buffer, 'x', sizeof buffer);
  OK(zx_vmo_read(v, buffer, 0, sizeof buffer));
  for (size_t i = 0; i < sizeof buffer; i++) IS(0, buffer[i]);
  OK(zx_vmo_write(v, "across", PAGE - 3, 6));
  OK(zx_vmo_read(v, buffer, PAGE - 4, 8));
  IS(0, memcmp(buffer, "\0across\0", 8));
  OK(zx_vmo_write(v, "end", 4 * PAGE - 3, 3));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_write(v, "end!", 4 * PAGE - 3, 4));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(v, buffer, 4 * PAGE, 1));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(v, buffer, UINT64_MAX - 1, 4));
  OK(zx_vmo_read(v, NULL, 0, 0));
  for (int i = 0; i < NUM_BAD_POINTERS; i++) {
    // Of an address where nothing is mapped the pages say either.
    zx_status_t status = zx_vmo_read(v, bad_pointers[i], 0, 8);
    TRUE(status == ZX_ERR_INVALID_ARGS || status == ZX_ERR_NOT_FOUND);
    status = zx_vmo_write(v, bad_pointers[i], 0, 8);
    TRUE(status == ZX_ERR_INVALID_ARGS || status == ZX_ERR_NOT_FOUND);
  }
  OK(zx_handle_close(v));
}

CHECK(vmo_resize) {
  zx_handle_t v;
  OK(zx_vmo_create(PAGE, 0, &v));
  zx_status_t status = zx_vmo_set_size(v, 2 * PAGE);
  // By rights now, by the object in 2020.
  TRUE(status == ZX_ERR_ACCESS_DENIED || status == ZX_ERR_UNAVAILABLE);
  OK(zx_handle_close(v));

  OK(zx_vmo_create(PAGE, ZX_VMO_RESIZABLE, &v));
  OK(zx_vmo_set_size(v, 3 * PAGE));
  IS(3 * PAGE, size_of(v));
  OK(set_byte(v, 0, 'a'));
  OK(set_byte(v, 100, 'b'));
  OK(set_byte(v, 2 * PAGE, 'c'));
  // What is cut off comes back as zeros, also within the last page.
  OK(zx_vmo_set_size(v, 50));
  IS(PAGE, size_of(v));
  IS(ZX_ERR_OUT_OF_RANGE, set_byte(v, PAGE, 'x'));
  OK(zx_vmo_set_size(v, 3 * PAGE));
  IS('a', byte_at(v, 0));
  IS(0, byte_at(v, 100));
  IS(0, byte_at(v, 2 * PAGE));
  OK(zx_vmo_set_size(v, 0));
  IS(0, size_of(v));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_set_size(v, UINT64_MAX));
  OK(zx_handle_close(v));
}

CHECK(vmo_snapshot) {
  zx_handle_t v, c, g;
  OK(zx_vmo_create(2 * PAGE, 0, &v));
  OK(set_byte(v, 0, 'p'));
  OK(set_byte(v, PAGE, 'q'));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &c));
  IS(0, signals(v) & ZX_VMO_ZERO_CHILDREN);
  TRUE(rights(c) & ZX_RIGHT_WRITE);
  // Neither sees what the other writes.
  OK(set_byte(v, 0, 'P'));
  IS('p', byte_at(c, 0));
  OK(set_byte(c, PAGE, 'Q'));
  IS('q', byte_at(v, PAGE));
  IS('Q', byte_at(c, PAGE));
  // A child of the child has the child's.
  OK(zx_vmo_create_child(c, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &g));
  OK(set_byte(c, 0, 'c'));
  IS('p', byte_at(g, 0));
  IS('Q', byte_at(g, PAGE));
  // And outlives it.
  OK(zx_handle_close(c));
  OK(set_byte(v, PAGE, 'x'));
  IS('p', byte_at(g, 0));
  IS('Q', byte_at(g, PAGE));
  OK(zx_handle_close(g));
  TRUE(signals(v) & ZX_VMO_ZERO_CHILDREN);
  OK(zx_handle_close(v));
}

CHECK(vmo_snapshot_of_a_part) {
  zx_handle_t v, c;
  OK(zx_vmo_create(3 * PAGE, 0, &v));
  for (char i = 0; i < 3; i++) OK(set_byte(v, i * PAGE, '0' + i));
  // From the second page on, and beyond the end: zeros there.
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, PAGE, 3 * PAGE, &c));
  IS(3 * PAGE, size_of(c));
  IS('1', byte_at(c, 0));
  IS('2', byte_at(c, PAGE));
  IS(0, byte_at(c, 2 * PAGE));
  OK(set_byte(c, 2 * PAGE, 'z'));
  IS('z', byte_at(c, 2 * PAGE));
  OK(zx_handle_close(v));
  IS('1', byte_at(c, 0));
  OK(zx_handle_close(c));
}

CHECK(vmo_snapshot_resizable) {
  zx_handle_t v, c;
  OK(zx_vmo_create(2 * PAGE, 0, &v));
  OK(set_byte(v, PAGE, 'v'));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_RESIZABLE, 0, 2 * PAGE, &c));
  OK(zx_vmo_set_size(c, PAGE));
  OK(zx_vmo_set_size(c, 2 * PAGE));
  // The parent's page does not show again.
  IS(0, byte_at(c, PAGE));
  IS('v', byte_at(v, PAGE));
  OK(zx_handle_close(c));
  OK(zx_handle_close(v));
}

CHECK(vmo_at_least_on_write) {
  zx_handle_t v, c;
  OK(zx_vmo_create(2 * PAGE, 0, &v));
  OK(set_byte(v, 0, 'p'));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2 * PAGE, &c));
  IS('p', byte_at(c, 0));
  OK(set_byte(c, 1, 'w'));
  // Its own page now, wholly.
  OK(set_byte(v, 0, 'P'));
  IS('p', byte_at(c, 0));
  IS(0, byte_at(v, 1));
  OK(zx_handle_close(v));
  IS('w', byte_at(c, 1));
  OK(zx_handle_close(c));
}

CHECK(vmo_slice) {
  zx_handle_t v, s;
  OK(zx_vmo_create(3 * PAGE, 0, &v));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &s));
  IS(PAGE, size_of(s));
  IS(0, signals(v) & ZX_VMO_ZERO_CHILDREN);
  // One memory.
  OK(set_byte(v, PAGE + 5, 'v'));
  IS('v', byte_at(s, 5));
  OK(set_byte(s, 6, 's'));
  IS('s', byte_at(v, PAGE + 6));
  IS(ZX_ERR_OUT_OF_RANGE, set_byte(s, PAGE, 'x'));
  OK(zx_handle_close(s));
  TRUE(signals(v) & ZX_VMO_ZERO_CHILDREN);
  IS('s', byte_at(v, PAGE + 6));
  OK(zx_handle_close(v));
  OK(zx_vmo_create(PAGE, ZX_VMO_RESIZABLE, &v));
  IS(ZX_ERR_NOT_SUPPORTED, zx_vmo_create_child(v, ZX_VMO_CHILD_SLICE, 0, PAGE, &s));
  OK(zx_handle_close(v));
}

CHECK(vmo_child_arguments) {
  zx_handle_t v, c;
  OK(zx_vmo_create(2 * PAGE, 0, &v));
  IS(ZX_ERR_INVALID_ARGS, zx_vmo_create_child(v, 0, 0, PAGE, &c));
  IS(ZX_ERR_INVALID_ARGS,
     zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SLICE, 0, PAGE, &c));
  IS(ZX_ERR_INVALID_ARGS,
     zx_vmo_create_child(v, ZX_VMO_CHILD_SLICE | ZX_VMO_CHILD_RESIZABLE, 0, PAGE, &c));
  IS(ZX_ERR_INVALID_ARGS, zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, 1, PAGE, &c));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_NO_WRITE, 0, PAGE, &c));
  IS(0, rights(c) & ZX_RIGHT_WRITE);
  IS(ZX_ERR_ACCESS_DENIED, set_byte(c, 0, 'x'));
  OK(zx_handle_close(c));
  zx_handle_t weak;
  OK(zx_handle_duplicate(v, ZX_RIGHT_READ, &weak));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmo_create_child(weak, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &c));
  OK(zx_handle_close(weak));
  // Read rights are enough for a copy that can be written to.
  OK(zx_handle_duplicate(v, ZX_RIGHT_READ | ZX_RIGHT_DUPLICATE | ZX_RIGHT_INSPECT, &weak));
  OK(zx_vmo_create_child(weak, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &c));
  OK(set_byte(c, 0, 'x'));
  OK(zx_handle_close(weak));
  OK(zx_handle_close(c));
  OK(zx_handle_close(v));
}

CHECK(vmo_op_range) {
  zx_handle_t v;
  OK(zx_vmo_create(4 * PAGE, 0, &v));
  memset(buffer, 'x', sizeof buffer);
  OK(zx_vmo_write(v, buffer, 0, sizeof buffer));
  OK(zx_vmo_op_range(v, ZX_VMO_OP_ZERO, 10, PAGE, NULL, 0));
  IS('x', byte_at(v, 9));
  IS(0, byte_at(v, 10));
  IS(0, byte_at(v, PAGE + 9));
  IS('x', byte_at(v, PAGE + 10));
  OK(zx_vmo_op_range(v, ZX_VMO_OP_DECOMMIT, 2 * PAGE, PAGE, NULL, 0));
  IS(0, byte_at(v, 2 * PAGE));
  IS('x', byte_at(v, 3 * PAGE));
  OK(zx_vmo_op_range(v, ZX_VMO_OP_COMMIT, 0, 4 * PAGE, NULL, 0));
  IS('x', byte_at(v, 9));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(v, ZX_VMO_OP_COMMIT, 0, 5 * PAGE, NULL, 0));
  IS(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(v, ZX_VMO_OP_ZERO, UINT64_MAX - 1, PAGE, NULL, 0));
  IS(ZX_ERR_INVALID_ARGS, zx_vmo_op_range(v, 999, 0, PAGE, NULL, 0));
  OK(zx_handle_close(v));
}

CHECK(vmo_name) {
  zx_handle_t v;
  char name[ZX_MAX_NAME_LEN];
  OK(zx_vmo_create(PAGE, 0, &v));
  OK(zx_object_set_property(v, ZX_PROP_NAME, "pages", 5));
  memset(name, 'x', sizeof name);
  OK(zx_object_get_property(v, ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "pages"));
  IS(0, name[31]);
  IS(ZX_ERR_BUFFER_TOO_SMALL, zx_object_get_property(v, ZX_PROP_NAME, name, 5));
  IS(ZX_ERR_NOT_SUPPORTED, zx_object_get_property(v, 9999, name, sizeof name));
  OK(zx_handle_close(v));
}

CHECK(vmo_info) {
  // The part of zx_info_vmo_t that has not changed since 2020.
  struct {
    zx_koid_t koid;
    char name[ZX_MAX_NAME_LEN];
    uint64_t size_bytes;
    zx_koid_t parent_koid;
    size_t num_children, num_mappings, share_count;
    uint32_t flags, padding;
    uint64_t committed_bytes;
    uint32_t handle_rights, cache_policy;
  } info;
  zx_handle_t v, c;
  OK(zx_vmo_create(PAGE, 0, &v));
  OK(zx_object_set_property(v, ZX_PROP_NAME, "parent", 6));
  OK(zx_vmo_create_child(v, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &c));
  OK(zx_object_get_info(v, ZX_INFO_VMO, &info, sizeof info, NULL, NULL));
  IS(koid(v), info.koid);
  IS(0, strcmp(info.name, "parent"));
  IS(PAGE, info.size_bytes);
  IS(1, info.num_children);
  IS(0, info.parent_koid);
  OK(zx_object_get_info(c, ZX_INFO_VMO, &info, sizeof info, NULL, NULL));
  IS(koid(v), info.parent_koid);
  OK(zx_handle_close(c));
  OK(zx_handle_close(v));
}

CHECK(vmo_execute) {
  static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3};  // mov $42, %eax; ret
  zx_handle_t v;
  zx_vaddr_t address;
  OK(zx_vmo_create(PAGE, 0, &v));
  OK(zx_vmo_write(v, code, 0, sizeof code));
  IS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(vmar_root(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, v, 0,
                                       PAGE, &address));
  zx_status_t status = zx_vmo_replace_as_executable(v, ZX_HANDLE_INVALID, &v);
  // A matter of the job's policy.
  if (status == ZX_ERR_ACCESS_DENIED) SKIP("the job's policy makes no VMO executable");
  OK(status);
  OK(zx_vmar_map(vmar_root(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, v, 0, PAGE, &address));
  IS(42, ((int (*)(void))address)());
  OK(zx_vmar_unmap(vmar_root(), address, PAGE));
  OK(zx_handle_close(v));
}
