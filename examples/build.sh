#!/bin/sh
# Builds the Fuchsia programs of examples/ and testdata/.
# Takes clang 14 and ld.lld 14; gives the same bytes wherever it runs.
#
#   examples/build.sh [DIR]    DIR: put them into DIR/examples and DIR/testdata
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=$(mkdir -p "${1:-$root}" && cd "${1:-$root}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$out/examples" "$out/testdata"
cd "$root"

# No libc, no thread-local storage (so no SafeStack, Fuchsia's default), and no
# tables that only a debugger or an unwinder would read.
cc() {
  clang --target=x86_64-unknown-fuchsia -std=c11 -Os -Wall -Wextra -Werror \
    -ffreestanding -nostdlibinc -fPIE -fvisibility=hidden -ffunction-sections -fdata-sections \
    -fno-sanitize=safe-stack -fno-stack-protector \
    -fno-unwind-tables -fno-asynchronous-unwind-tables \
    -I"$root/examples/include" -c "$@"
}

ld() {
  ld.lld -m elf_x86_64 --hash-style=gnu --build-id -s -z now \
    -z max-page-size=4096 --pack-dyn-relocs=relr "$@"
}

for lib in elf memory self start static text thread; do
  cc "examples/lib/$lib.c" -o "$tmp/$lib.o"
done
cc examples/lib/syscalls.S -o "$tmp/syscalls.o"

# static_program OUTPUT SOURCE...: a position-independent ELF that needs nobody.
static_program() {
  output=$1
  objects=
  shift
  for source; do
    object=$tmp/$(basename "$output")-$(basename "$source").o
    cc "$source" -o "$object"
    objects="$objects $object"
  done
  ld -pie --no-dynamic-linker --gc-sections -z start-stop-gc $objects \
    "$tmp/static.o" "$tmp/start.o" "$tmp/text.o" "$tmp/thread.o" "$tmp/elf.o" \
    "$tmp/self.o" "$tmp/memory.o" "$tmp/syscalls.o" -o "$output"
}

for program in hello echo channel_echo; do
  static_program "$out/examples/$program" "examples/src/$program.c"
done
for program in fault hostile null raw sleep spin threads; do
  static_program "$out/testdata/$program" "testdata/src/$program.c"
done
(cd testdata/src/kernel && static_program "$out/testdata/kernel" kernel.c check.c handle.c \
  signal.c channel.c socket.c port.c timer.c futex.c thread.c vmo.c vmar.c task.c misc.c)
(cd testdata/src/spawn && static_program "$out/testdata/spawn" spawn.c fidl.c checks.c ../kernel/check.c)

# The dynamic linker is itself a static program, without the usual start.
cc testdata/src/linker.c -o "$tmp/main.o"
ld -pie --no-dynamic-linker --gc-sections -z start-stop-gc -soname ld.so.1 \
  "$tmp/main.o" "$tmp/elf.o" "$tmp/self.o" "$tmp/memory.o" "$tmp/syscalls.o" \
  -o "$out/testdata/ld.so.1"

# library SOURCE NAME LIBRARY...: a shared library that needs these others.
library() {
  cc -fPIC -fsemantic-interposition "$1" -o "$tmp/main.o"
  name=$2
  shift 2
  ld -shared -soname "$name" "$tmp/main.o" "$@" -o "$out/testdata/$name"
}

cc examples/lib/libzircon.S -o "$tmp/libzircon.o"
ld -shared -soname libzircon.so "$tmp/libzircon.o" -o "$tmp/libzircon.so"
library testdata/src/word.c libword.so
library testdata/src/greet.c libgreet.so "$out/testdata/libword.so" "$tmp/libzircon.so"

cc testdata/src/dyn.c -o "$tmp/main.o"
ld -pie --dynamic-linker ld.so.1 "$tmp/main.o" "$tmp/start.o" "$tmp/text.o" \
  "$tmp/memory.o" "$out/testdata/libgreet.so" "$tmp/libzircon.so" -o "$out/testdata/dyn"
