#include "greet.h"

const char *word(void);

EXPORT char greet_name[16] = "nobody";
EXPORT int greet_started;
EXPORT const char *const greet_words[2] = {"Hello", "Fuchsia"};

__attribute__((constructor)) static void start(void) { greet_started = word()[0]; }

EXPORT const char *greet_word(void) { return word(); }
EXPORT zx_time_t greet_now(void) { return zx_clock_get_monotonic(); }
EXPORT int greet_hook(void) { return 1; }
EXPORT int greet_ask_hook(void) { return greet_hook(); }
