// What libgreet.so offers to dyn.
#pragma once

#include "zircon.h"

#define EXPORT __attribute__((visibility("default")))

extern char greet_name[16];    // data that both write to
extern int greet_started;      // set by the library's initializer
extern const char *const greet_words[2];

const char *greet_word(void);  // from libword.so, which only libgreet.so needs
zx_time_t greet_now(void);     // asks the vDSO
int greet_ask_hook(void);      // what greet_hook gives, as libgreet.so sees it
int greet_hook(void);          // defined by the library and by the program
