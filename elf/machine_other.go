//go:build !amd64 && !arm64 && !riscv64

package elf

const machine = 0 // Fuchsia does not run here: no file is for this machine
