// Standard input, output, arguments and environment through the SDK's libc.
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("arg %s\n", argv[i]);
  for (char **e = environ; *e; e++) printf("env %s\n", *e);
  fprintf(stderr, "an error line\n");
  char line[64];
  int lines = 0;
  while (fgets(line, sizeof line, stdin)) {
    printf("in %s", line);
    lines++;
  }
  return lines;
}
