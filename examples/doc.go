// Package examples holds Fuchsia programs in C with the ELFs made of them, for
// people to try and for tests to run; README.md says what each does. There is
// no Go in it but tests, which run them and keep the ELFs and their sources together.
package examples
