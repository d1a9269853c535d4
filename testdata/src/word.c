#include "greet.h"

const char *word(void);

static const char *the_word;

__attribute__((constructor)) static void start(void) { the_word = "shared"; }

EXPORT const char *word(void) { return the_word; }
