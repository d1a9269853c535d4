#include "elf.h"
#include "zircon.h"

// From the linker: our own ELF header, our dynamic section, and the slots of
// syscalls.S.
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
extern uintptr_t __start_vdso_slots[] __attribute__((visibility("hidden")));
extern uintptr_t __stop_vdso_slots[] __attribute__((visibility("hidden")));

// Stands in for what the vDSO does not have.
static zx_status_t missing(void) { return ZX_ERR_BAD_SYSCALL; }

void make_self_ready(const void *vdso) {
  elf_image image;
  elf_open(&image, (uintptr_t)&__ehdr_start, _DYNAMIC);
  elf_relocate_relative(&image);
  elf_open_mapped(&image, vdso);
  for (uintptr_t *slot = __start_vdso_slots; slot < __stop_vdso_slots; slot++) {
    const Elf64_Sym *symbol = elf_lookup(&image, (const char *)*slot);
    *slot = symbol ? image.bias + symbol->st_value : (uintptr_t)missing;
  }
}
