// Files by C's stdio.
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

int main(void) {
  char line[64];
  FILE* f = fopen("/tmp/f", "w");
  CHECK(f != NULL);
  CHECK(fprintf(f, "first line\nsecond line\n") == 23);
  CHECK(fclose(f) == 0);

  CHECK((f = fopen("/tmp/f", "r")) != NULL);
  CHECK(fgets(line, sizeof line, f) && strcmp(line, "first line\n") == 0);
  CHECK(ftell(f) == 11);
  CHECK(fseek(f, -5, SEEK_END) == 0);
  CHECK(fgets(line, sizeof line, f) && strcmp(line, "line\n") == 0);
  CHECK(fgets(line, sizeof line, f) == NULL && feof(f));
  CHECK(fseek(f, 6, SEEK_SET) == 0 && fgetc(f) == 'l');
  CHECK(fclose(f) == 0);

  CHECK((f = fopen("/tmp/f", "a+")) != NULL);
  CHECK(fputs("third line\n", f) >= 0 && fflush(f) == 0);
  rewind(f);
  CHECK(fgets(line, sizeof line, f) && strcmp(line, "first line\n") == 0);
  CHECK(fclose(f) == 0);

  CHECK((f = fopen("/tmp/f", "r+")) != NULL);
  CHECK(fseek(f, 6, SEEK_SET) == 0 && fwrite("LINE", 4, 1, f) == 1);
  CHECK(fflush(f) == 0 && ftruncate(fileno(f), 11) == 0);
  rewind(f);
  CHECK(fread(line, 1, sizeof line, f) == 11 && memcmp(line, "first LINE\n", 11) == 0);
  CHECK(fclose(f) == 0);

  struct stat st;
  CHECK(stat("/tmp/f", &st) == 0 && st.st_size == 11 && S_ISREG(st.st_mode));
  CHECK(fopen("/tmp/none", "r") == NULL && errno == ENOENT);
  CHECK(fopen("/pkg/data/file", "w") == NULL && errno == EACCES);
  CHECK((f = fopen("/tmp/f", "wx")) == NULL && errno == EEXIST);
  CHECK(remove("/tmp/f") == 0);
  CHECK(fopen("/tmp/f", "r") == NULL && errno == ENOENT);

  // More than goes into a message.
  static char big[100000], back[100000];
  for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7 + i / 251);
  CHECK((f = fopen("/tmp/big", "w+")) != NULL);
  CHECK(fwrite(big, sizeof big, 1, f) == 1);
  rewind(f);
  CHECK(fread(back, sizeof back, 1, f) == 1 && memcmp(big, back, sizeof big) == 0);
  CHECK(fclose(f) == 0);

  // What the package has.
  CHECK((f = fopen("/pkg/data/file", "r")) != NULL);
  CHECK(fgets(line, sizeof line, f) && strcmp(line, "in the package\n") == 0);
  CHECK(fclose(f) == 0);

  // It is read by whoever started the program.
  CHECK((f = fopen("/tmp/result", "w")) != NULL);
  CHECK(fputs("left behind", f) >= 0 && fclose(f) == 0);
  return failures;
}
