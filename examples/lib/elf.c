#include "elf.h"

void elf_open(elf_image *image, uintptr_t bias, const Elf64_Dyn *dynamic) {
  // Field by field: memset may not be callable yet.
  image->bias = bias;
  image->symbols = 0;
  image->strings = 0;
  image->gnu_hash = 0;
  image->rela = image->plt_rela = 0;
  image->rela_count = image->plt_rela_count = 0;
  image->relr = 0;
  image->relr_count = 0;
  image->dynamic = dynamic;
  for (const Elf64_Dyn *d = dynamic; d->d_tag != DT_NULL; d++) {
    uintptr_t address = bias + d->d_val;
    if (d->d_tag == DT_SYMTAB) image->symbols = (const Elf64_Sym *)address;
    if (d->d_tag == DT_STRTAB) image->strings = (const char *)address;
    if (d->d_tag == DT_GNU_HASH) image->gnu_hash = (const uint32_t *)address;
    if (d->d_tag == DT_RELA) image->rela = (const Elf64_Rela *)address;
    if (d->d_tag == DT_RELASZ) image->rela_count = d->d_val / sizeof(Elf64_Rela);
    if (d->d_tag == DT_JMPREL) image->plt_rela = (const Elf64_Rela *)address;
    if (d->d_tag == DT_PLTRELSZ) image->plt_rela_count = d->d_val / sizeof(Elf64_Rela);
    if (d->d_tag == DT_RELR) image->relr = (const uint64_t *)address;
    if (d->d_tag == DT_RELRSZ) image->relr_count = d->d_val / sizeof(uint64_t);
  }
}

void elf_open_mapped(elf_image *image, const void *base) {
  const Elf64_Ehdr *header = base;
  const Elf64_Phdr *segments = (const void *)((uintptr_t)base + header->e_phoff);
  uintptr_t bias = 0, dynamic = 0;
  for (int i = header->e_phnum; i-- > 0;) {
    // Going backwards, the PT_LOAD seen last is the one that holds the headers.
    if (segments[i].p_type == PT_LOAD)
      bias = (uintptr_t)base - segments[i].p_vaddr + segments[i].p_offset;
    if (segments[i].p_type == PT_DYNAMIC) dynamic = segments[i].p_vaddr;
  }
  elf_open(image, bias, (const Elf64_Dyn *)(bias + dynamic));
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

const Elf64_Sym *elf_lookup(const elf_image *image, const char *name) {
  // The table: bucket count, first hashed symbol, words in the Bloom filter,
  // its shift; the filter in 64-bit words; buckets; one hash for each symbol,
  // whose lowest bit ends a bucket's chain.
  const uint32_t *table = image->gnu_hash;
  if (!table) return 0;
  uint32_t buckets = table[0], first = table[1], bloom_words = table[2];
  const uint32_t *bucket = table + 4 + 2 * bloom_words;
  const uint32_t *chain = bucket + buckets;
  uint32_t hash = 5381;
  for (const char *c = name; *c; c++) hash = hash * 33 + (uint8_t)*c;
  uint32_t i = buckets ? bucket[hash % buckets] : 0;
  if (i < first || i == 0) return 0;
  for (;; i++) {
    uint32_t other = chain[i - first];
    const Elf64_Sym *symbol = &image->symbols[i];
    if ((other | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
        same(image->strings + symbol->st_name, name))
      return symbol;
    if (other & 1) return 0;
  }
}

void elf_relocate_relative(const elf_image *image) {
  for (size_t i = 0; i < image->rela_count; i++) {
    const Elf64_Rela *r = &image->rela[i];
    if (r->r_type == R_X86_64_RELATIVE)
      *(uint64_t *)(image->bias + r->r_offset) = image->bias + r->r_addend;
  }
  // An even word is the address of a place to relocate; an odd one, which of
  // the 63 places after the last are to be relocated as well.
  uint64_t *where = 0;
  for (size_t i = 0; i < image->relr_count; i++) {
    uint64_t word = image->relr[i];
    if (!(word & 1)) {
      where = (uint64_t *)(image->bias + word);
      *where++ += image->bias;
      continue;
    }
    for (int bit = 0; (word >>= 1) != 0; bit++)
      if (word & 1) where[bit] += image->bias;
    where += 63;
  }
}
