// What the test programs have in common: a check that says what failed and
// where, and goes on.
#pragma once
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failures;

#define CHECK(cond)                                                          \
  do {                                                                       \
    errno = 0;                                                               \
    if (!(cond)) {                                                           \
      failures++;                                                            \
      printf("line %d: %s (%s)\n", __LINE__, #cond, strerror(errno));        \
    }                                                                        \
  } while (0)

// FAILS checks that a call fails as POSIX says.
#define FAILS(call, err)                                                     \
  do {                                                                       \
    errno = 0;                                                               \
    if ((call) != -1 || errno != (err)) {                                    \
      failures++;                                                            \
      printf("line %d: %s: %s, not %s\n", __LINE__, #call, strerror(errno),  \
             strerror(err));                                                 \
    }                                                                        \
  } while (0)
