// Works on files in its working directory, by their names alone, as ported
// programs do. Says which line is wrong, if one is.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IS(want, expr)                                                                            \
  do {                                                                                            \
    errno = 0;                                                                                    \
    long got = (long)(expr);                                                                      \
    if (got != (want)) {                                                                          \
      printf("line %d: %s is %ld, errno %d\n", __LINE__, #expr, got, errno);                      \
      exit(1);                                                                                    \
    }                                                                                             \
  } while (0)
#define FAILS(number, expr) IS(number, (expr) == -1 ? errno : 0)

static char page[65536];

static void contents(int fd) {
  char b[16];
  IS(11, write(fd, "hello world", 11));
  IS(6, lseek(fd, 6, SEEK_SET));
  IS(5, read(fd, b, sizeof b));
  IS(0, read(fd, b, sizeof b));
  IS(2, pwrite(fd, "XY", 2, 20));
  IS(22, lseek(fd, 0, SEEK_END));
  FAILS(EINVAL, lseek(fd, -30, SEEK_CUR));
  IS(0, ftruncate(fd, 5));
  IS(5, lseek(fd, 0, SEEK_END));
  // Beyond what one message of the file's protocol carries.
  for (int i = 0; i < 16; i++) IS((long)sizeof page, pwrite(fd, page, sizeof page, i * sizeof page));
  IS(7, pwrite(fd, "mapping", 7, 8192));
  char *m = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  IS(1, m != MAP_FAILED);
  IS(0, memcmp(m + 8192, "mapping", 7));
  m[8192] = 'M';
  IS(1, pread(fd, b, 1, 8192));
  IS('m', b[0]);
  IS(0, munmap(m, 12288));
}

static void names(void) {
  struct stat st;
  FAILS(ENOENT, open("none", O_RDONLY));
  FAILS(EEXIST, open("a", O_CREAT | O_EXCL | O_RDWR, 0644));
  FAILS(ENOTDIR, open("a/b", O_RDONLY));
  IS(0, mkdir("dir", 0755));
  FAILS(EEXIST, mkdir("dir", 0755));
  FAILS(EISDIR, open("dir", O_RDWR));
  IS(0, rename("a", "dir/b"));
  FAILS(ENOENT, stat("a", &st));
  IS(0, stat("dir/b", &st));
  IS(1, S_ISREG(st.st_mode) && st.st_size == 16 * sizeof page);
  FAILS(ENOTEMPTY, rmdir("dir"));
  int n = 0;
  DIR *d = opendir("dir");
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += strcmp(e->d_name, "b") == 0;
  closedir(d);
  IS(1, n);
  IS(0, unlink("dir/b"));
  IS(0, rmdir("dir"));
}

static void pipes(void) {
  int p[2];
  char b[8];
  IS(0, pipe(p));
  IS(50, dup2(p[1], 50));
  IS(3, write(50, "dup", 3));
  struct pollfd pfd = {.fd = p[0], .events = POLLIN};
  IS(1, poll(&pfd, 1, -1));
  IS(3, read(p[0], b, sizeof b));
  IS(0, fcntl(p[0], F_SETFL, O_NONBLOCK));
  FAILS(EAGAIN, read(p[0], b, sizeof b));
  IS(0, poll(&pfd, 1, 1));
  close(50);
  close(p[1]);
  IS(0, read(p[0], b, sizeof b));
  close(p[0]);
}

int main(void) {
  int fd = open("a", O_CREAT | O_EXCL | O_RDWR, 0644);
  IS(1, fd >= 0);
  contents(fd);
  names();
  IS(7, pwrite(fd, "deleted", 7, 0));  // the file lives as long as it is open
  IS(0, close(fd));
  FAILS(EBADF, close(fd));
  pipes();
  FILE *f = fopen("out.txt", "w");
  for (int i = 0; i < 1000; i++) fprintf(f, "%d\n", i);
  IS(0, fclose(f));
  puts("ok");
  return 0;
}
