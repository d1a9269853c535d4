// The little of ELF that a program needs to make itself ready, and the dynamic
// linker of testdata to make others so. Names and values of the System V ABI.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t e_ident[16];
  uint16_t e_type;
  uint16_t e_machine;
  uint32_t e_version;
  uint64_t e_entry;
  uint64_t e_phoff;
  uint64_t e_shoff;
  uint32_t e_flags;
  uint16_t e_ehsize;
  uint16_t e_phentsize;
  uint16_t e_phnum;
  uint16_t e_shentsize;
  uint16_t e_shnum;
  uint16_t e_shstrndx;
} Elf64_Ehdr;

typedef struct {
  uint32_t p_type;
  uint32_t p_flags;
  uint64_t p_offset;
  uint64_t p_vaddr;
  uint64_t p_paddr;
  uint64_t p_filesz;
  uint64_t p_memsz;
  uint64_t p_align;
} Elf64_Phdr;

typedef struct {
  int64_t d_tag;
  uint64_t d_val;
} Elf64_Dyn;

typedef struct {
  uint32_t st_name;
  uint8_t st_info;
  uint8_t st_other;
  uint16_t st_shndx;
  uint64_t st_value;
  uint64_t st_size;
} Elf64_Sym;

typedef struct {
  uint64_t r_offset;
  uint32_t r_type;
  uint32_t r_sym;
  int64_t r_addend;
} Elf64_Rela;

#define ET_DYN 3
#define EM_X86_64 62

#define PT_LOAD 1
#define PT_DYNAMIC 2
#define PT_GNU_RELRO 0x6474e552
#define PF_X 1
#define PF_W 2
#define PF_R 4

#define DT_NULL 0
#define DT_NEEDED 1
#define DT_PLTRELSZ 2
#define DT_STRTAB 5
#define DT_SYMTAB 6
#define DT_RELA 7
#define DT_RELASZ 8
#define DT_INIT 12
#define DT_SONAME 14
#define DT_JMPREL 23
#define DT_INIT_ARRAY 25
#define DT_INIT_ARRAYSZ 27
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_GNU_HASH 0x6ffffef5

#define R_X86_64_64 1
#define R_X86_64_GLOB_DAT 6
#define R_X86_64_JUMP_SLOT 7
#define R_X86_64_RELATIVE 8

#define STB_WEAK 2
#define SHN_UNDEF 0

// An ELF that is mapped, as its dynamic section describes it. Addresses are
// ready to use.
typedef struct {
  uintptr_t bias;  // what to add to an address in the file
  const Elf64_Sym *symbols;
  const char *strings;
  const uint32_t *gnu_hash;
  const Elf64_Rela *rela, *plt_rela;
  size_t rela_count, plt_rela_count;
  const uint64_t *relr;
  size_t relr_count;
  const Elf64_Dyn *dynamic;
} elf_image;

// Reads the dynamic section of an ELF mapped with this bias.
void elf_open(elf_image *image, uintptr_t bias, const Elf64_Dyn *dynamic);

// The same, of an ELF whose first page (its headers) is mapped at base.
void elf_open_mapped(elf_image *image, const void *base);

// The symbol of this name that image defines, or a null pointer; found by
// DT_GNU_HASH.
const Elf64_Sym *elf_lookup(const elf_image *image, const char *name);

// Applies the relocations that need no symbol, packed (DT_RELR) ones included.
void elf_relocate_relative(const elf_image *image);

// Relocates this very program and fills the slots of lib/syscalls.S from the
// vDSO mapped at vdso. Before it returns nothing else may run.
void make_self_ready(const void *vdso);
