// ld.so.1, a small dynamic linker: enough of one to start the programs here,
// and to try what a process builder does for a program with an interpreter.
//
// The bootstrap channel holds two messages. The first is for the linker: the
// program's VMO, the loader service and the root VMAR. It loads the program
// and, breadth first, the libraries it needs; relocates them; runs their
// initializers; and jumps to the program with the bootstrap channel, where the
// second message waits. If anything fails it says so in the debug log, in one
// line, and the process ends with EXIT_LINK_FAILED.
#include "elf.h"
#include "start.h"

enum { EXIT_LINK_FAILED = 122 };
enum { MAX_OBJECTS = 16, MAX_SEGMENTS = 16 };

// One loaded ELF.
typedef struct {
  const char *name;
  elf_image image;
  uintptr_t entry;
  zx_handle_t vmar;          // what it is loaded into; closed before the jump
  uintptr_t relro;           // what becomes read-only once it is relocated
  size_t relro_size;
} object;

// The program, then libraries in the order of their loading. All static: the
// first stack has room for little more than the linker's message.
static object objects[MAX_OBJECTS];
static int num_objects;
static zx_handle_t root_vmar, loader;

static void fail(const char *who, const char *what, zx_status_t status)
    __attribute__((noreturn));
static void fail(const char *who, const char *what, zx_status_t status) {
  static char line[256];
  char digits[12];
  int d = sizeof digits;
  size_t used = 0;
  digits[--d] = 0;
  for (unsigned n = -(unsigned)status; n > 0 || d == sizeof digits - 1; n /= 10)
    digits[--d] = (char)('0' + n % 10);
  if (status < 0) digits[--d] = '-';
  const char *parts[] = {"ld.so.1: ", who, ": ", what, " (", &digits[d], ")\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    for (const char *c = parts[i]; *c && used < sizeof line; c++) line[used++] = *c;
  zx_debug_write(line, used);
  zx_process_exit(EXIT_LINK_FAILED);
}

static uintptr_t page_down(uintptr_t n) { return n & -ZX_PAGE_SIZE; }
static uintptr_t page_up(uintptr_t n) { return page_down(n + ZX_PAGE_SIZE - 1); }

// Maps one PT_LOAD at its place in o's VMAR, which begins at low in the file's
// addresses.
static void map_segment(object *o, zx_handle_t vmo, const Elf64_Phdr *p, uintptr_t low) {
  zx_vm_option_t options = ZX_VM_SPECIFIC;
  if (p->p_flags & PF_R) options |= ZX_VM_PERM_READ;
  if (p->p_flags & PF_W) options |= ZX_VM_PERM_WRITE;
  if (p->p_flags & PF_X) options |= ZX_VM_PERM_EXECUTE;
  uintptr_t start = page_down(p->p_vaddr);
  uintptr_t file_end = p->p_filesz ? p->p_vaddr + p->p_filesz : start;
  uintptr_t anonymous = page_up(file_end), end = page_up(p->p_vaddr + p->p_memsz);
  uint64_t offset = page_down(p->p_offset);
  zx_vaddr_t address;
  zx_status_t status;

  if (anonymous > start) {
    zx_handle_t pages = vmo;
    if (p->p_flags & PF_W) {
      status = zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, offset,
                                   anonymous - start, &pages);
      if (status != ZX_OK) fail(o->name, "cannot make its data private", status);
      offset = 0;
    }
    status = zx_vmar_map(o->vmar, options, start - low, pages, offset, anonymous - start, &address);
    if (status != ZX_OK) fail(o->name, "cannot map a segment", status);
    if (pages != vmo) {
      zx_handle_close(pages);
      memset((void *)(address + (file_end - start)), 0, anonymous - file_end);
    }
  }
  if (end > anonymous) {
    zx_handle_t zeros;
    status = zx_vmo_create(end - anonymous, 0, &zeros);
    if (status == ZX_OK)
      status = zx_vmar_map(o->vmar, options, anonymous - low, zeros, 0, end - anonymous, &address);
    if (status != ZX_OK) fail(o->name, "cannot map zeros", status);
    zx_handle_close(zeros);
  }
}

// Loads an ELF as the next object. Takes the VMO's handle.
static void load(const char *name, zx_handle_t vmo) {
  static struct {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdrs[MAX_SEGMENTS];
  } file;
  if (num_objects == MAX_OBJECTS) fail(name, "too many libraries", ZX_ERR_NO_RESOURCES);
  object *o = &objects[num_objects++];
  o->name = name;

  zx_status_t status = zx_vmo_read(vmo, &file.ehdr, 0, sizeof file.ehdr);
  if (status != ZX_OK) fail(name, "cannot read its header", status);
  if (memcmp(file.ehdr.e_ident, "\177ELF\2\1", 6) != 0 || file.ehdr.e_type != ET_DYN ||
      file.ehdr.e_machine != EM_X86_64 || file.ehdr.e_phentsize != sizeof(Elf64_Phdr) ||
      file.ehdr.e_phnum > MAX_SEGMENTS)
    fail(name, "not a position-independent ELF for x86-64", ZX_ERR_INVALID_ARGS);
  status = zx_vmo_read(vmo, file.phdrs, file.ehdr.e_phoff, file.ehdr.e_phnum * sizeof(Elf64_Phdr));
  if (status != ZX_OK) fail(name, "cannot read its program headers", status);

  uintptr_t low = UINTPTR_MAX, high = 0, dynamic = 0;
  for (int i = 0; i < file.ehdr.e_phnum; i++) {
    const Elf64_Phdr *p = &file.phdrs[i];
    if (p->p_type == PT_LOAD && page_down(p->p_vaddr) < low) low = page_down(p->p_vaddr);
    if (p->p_type == PT_LOAD && page_up(p->p_vaddr + p->p_memsz) > high)
      high = page_up(p->p_vaddr + p->p_memsz);
    if (p->p_type == PT_DYNAMIC) dynamic = p->p_vaddr;
  }
  if (low >= high || dynamic == 0) fail(name, "nothing to load or to link", ZX_ERR_INVALID_ARGS);

  zx_vaddr_t base;
  status = zx_vmar_allocate(root_vmar,
                            ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE |
                                ZX_VM_CAN_MAP_SPECIFIC,
                            0, high - low, &o->vmar, &base);
  if (status != ZX_OK) fail(name, "no room for it", status);
  uintptr_t bias = base - low;
  for (int i = 0; i < file.ehdr.e_phnum; i++) {
    const Elf64_Phdr *p = &file.phdrs[i];
    if (p->p_type == PT_LOAD) map_segment(o, vmo, p, low);
    if (p->p_type == PT_GNU_RELRO) {
      o->relro = page_down(bias + p->p_vaddr);
      o->relro_size = page_down(bias + p->p_vaddr + p->p_memsz) - o->relro;
    }
  }
  zx_handle_close(vmo);
  o->entry = bias + file.ehdr.e_entry;
  elf_open(&o->image, bias, (const Elf64_Dyn *)(bias + dynamic));
}

// A FIDL message begins with this. The first flag byte says wire format v2.
typedef struct {
  uint32_t txid;
  uint8_t flags[3];
  uint8_t magic;
  uint64_t ordinal;
} fidl_header;

#define FIDL_HEADER(method) ((fidl_header){0, {2, 0, 0}, 1, method})

// fuchsia.ldsvc/Loader: the first 8 bytes of the SHA-256 of the method's full
// name, without the top bit.
#define LOADER_DONE 0x63ba6b76d3671001u
#define LOADER_LOAD_OBJECT 0x48c5a151d6df2853u

static zx_handle_t load_object(const char *name) {
  static struct {
    fidl_header header;
    uint64_t name_size;
    uint64_t name_present;  // all ones
    char name[1024];        // the message ends after it, padded to 8 bytes
  } request;
  struct {
    fidl_header header;
    zx_status_t status;
    uint32_t vmo_present;
  } reply;
  zx_handle_t vmo = ZX_HANDLE_INVALID;
  size_t size = strlen(name);
  if (size > sizeof request.name) fail(name, "name too long", ZX_ERR_INVALID_ARGS);

  request.header = FIDL_HEADER(LOADER_LOAD_OBJECT);
  request.name_size = size;
  request.name_present = UINT64_MAX;
  memset(request.name, 0, sizeof request.name);
  memcpy(request.name, name, size);
  zx_channel_call_args_t call = {
      .wr_bytes = &request,
      .wr_num_bytes = (uint32_t)(offsetof(__typeof__(request), name) + ((size + 7) & -8ul)),
      .rd_bytes = &reply,
      .rd_num_bytes = sizeof reply,
      .rd_handles = &vmo,
      .rd_num_handles = 1,
  };
  uint32_t bytes = 0, handles = 0;
  zx_status_t status = zx_channel_call(loader, 0, ZX_TIME_INFINITE, &call, &bytes, &handles);
  if (status != ZX_OK) fail(name, "the loader service does not answer", status);
  if (bytes != sizeof reply)
    fail(name, "the loader service's answer is no LoadObject", ZX_ERR_INTERNAL);
  if (reply.status != ZX_OK) fail(name, "cannot be loaded", reply.status);
  if (handles != 1) fail(name, "the loader service gave no VMO", ZX_ERR_NOT_FOUND);
  return vmo;
}

// Makes sure that a library is loaded. The vDSO is, whatever it is asked for
// by.
static void need(const char *name, const void *vdso) {
  for (int i = 0; i < num_objects; i++)
    if (strcmp(objects[i].name, name) == 0) return;
  if (strcmp(name, "libzircon.so") != 0) {
    load(name, load_object(name));
    return;
  }
  if (num_objects == MAX_OBJECTS) fail(name, "too many libraries", ZX_ERR_NO_RESOURCES);
  object *o = &objects[num_objects++];
  o->name = name;
  elf_open_mapped(&o->image, vdso);
}

static bool is_vdso(const object *o) { return o->vmar == ZX_HANDLE_INVALID; }

// The address of a symbol that o refers to: the first definition among all
// objects. A weak one may have none.
static uintptr_t resolve(const object *o, uint32_t index) {
  const Elf64_Sym *wanted = &o->image.symbols[index];
  const char *name = o->image.strings + wanted->st_name;
  for (int i = 0; i < num_objects; i++) {
    const Elf64_Sym *found = elf_lookup(&objects[i].image, name);
    if (found) return objects[i].image.bias + found->st_value;
  }
  if (wanted->st_info >> 4 != STB_WEAK) fail(o->name, name, ZX_ERR_NOT_FOUND);
  return 0;
}

static void relocate(const object *o, const Elf64_Rela *relocations, size_t count) {
  for (const Elf64_Rela *r = relocations; r < relocations + count; r++) {
    uint64_t *where = (uint64_t *)(o->image.bias + r->r_offset);
    switch (r->r_type) {
      case R_X86_64_RELATIVE:
        break;  // done by elf_relocate_relative
      case R_X86_64_GLOB_DAT:
      case R_X86_64_JUMP_SLOT:
        *where = resolve(o, r->r_sym);
        break;
      case R_X86_64_64:
        *where = resolve(o, r->r_sym) + r->r_addend;
        break;
      default:
        fail(o->name, "a relocation that this linker does not know", ZX_ERR_NOT_SUPPORTED);
    }
  }
}

static void initialize(const object *o) {
  void (**functions)(void) = 0;
  size_t count = 0;
  for (const Elf64_Dyn *d = o->image.dynamic; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_INIT_ARRAY) functions = (void (**)(void))(o->image.bias + d->d_val);
    if (d->d_tag == DT_INIT_ARRAYSZ) count = d->d_val / sizeof *functions;
  }
  for (size_t i = 0; i < count; i++) functions[i]();
}

// Reads the linker's message; the handles it has no use for are closed. Gives
// back the program's VMO.
static zx_handle_t read_message(zx_handle_t bootstrap) {
  static _Alignas(8) char message[ZX_CHANNEL_MAX_MSG_BYTES];
  static zx_handle_t handles[ZX_CHANNEL_MAX_MSG_HANDLES];
  uint32_t size, num_handles;
  zx_status_t status = zx_channel_read(bootstrap, 0, message, handles, sizeof message,
                                       ZX_CHANNEL_MAX_MSG_HANDLES, &size, &num_handles);
  if (status != ZX_OK) fail("bootstrap", "no message", status);
  const zx_proc_args_t *args = (const zx_proc_args_t *)message;
  if (size < sizeof *args || args->protocol != ZX_PROCARGS_PROTOCOL ||
      args->version != ZX_PROCARGS_VERSION || args->handle_info_off > size ||
      size - args->handle_info_off < num_handles * sizeof(uint32_t))
    fail("bootstrap", "not a process arguments message", ZX_ERR_INVALID_ARGS);

  zx_handle_t program = ZX_HANDLE_INVALID;
  for (uint32_t i = 0; i < num_handles; i++) {
    uint32_t info;
    memcpy(&info, message + args->handle_info_off + i * sizeof info, sizeof info);
    switch (PA_HND_TYPE(info)) {
      case PA_VMAR_ROOT:
        root_vmar = handles[i];
        break;
      case PA_LDSVC_LOADER:
        loader = handles[i];
        break;
      case PA_VMO_EXECUTABLE:
        program = handles[i];
        break;
      default:
        zx_handle_close(handles[i]);
    }
  }
  if (root_vmar == ZX_HANDLE_INVALID) fail("bootstrap", "no root VMAR", ZX_ERR_BAD_HANDLE);
  if (program == ZX_HANDLE_INVALID) fail("bootstrap", "no program", ZX_ERR_BAD_HANDLE);
  return program;
}

typedef void entry_function(zx_handle_t bootstrap, const void *vdso);

void _start(zx_handle_t bootstrap, const void *vdso);
void _start(zx_handle_t bootstrap, const void *vdso) {
  make_self_ready(vdso);
  load("program", read_message(bootstrap));

  for (int i = 0; i < num_objects; i++) {
    const elf_image *image = &objects[i].image;
    for (const Elf64_Dyn *d = image->dynamic; !is_vdso(&objects[i]) && d->d_tag != DT_NULL; d++)
      if (d->d_tag == DT_NEEDED) need(image->strings + d->d_val, vdso);
  }
  for (int i = 0; i < num_objects; i++) {
    const object *o = &objects[i];
    if (is_vdso(o)) continue;
    elf_relocate_relative(&o->image);
    relocate(o, o->image.rela, o->image.rela_count);
    relocate(o, o->image.plt_rela, o->image.plt_rela_count);
    if (o->relro_size == 0) continue;
    zx_status_t status = zx_vmar_protect(o->vmar, ZX_VM_PERM_READ, o->relro, o->relro_size);
    if (status != ZX_OK) fail(o->name, "cannot make relocated data read-only", status);
  }
  // What is needed comes after what needs it, so start from the end.
  for (int i = num_objects - 1; i >= 0; i--)
    if (!is_vdso(&objects[i])) initialize(&objects[i]);

  fidl_header done = FIDL_HEADER(LOADER_DONE);
  if (loader != ZX_HANDLE_INVALID) zx_channel_write(loader, 0, &done, sizeof done, NULL, 0);
  zx_handle_close(loader);
  zx_handle_close(root_vmar);
  for (int i = 0; i < num_objects; i++) zx_handle_close(objects[i].vmar);
  ((entry_function *)objects[0].entry)(bootstrap, vdso);
  __builtin_trap();
}
