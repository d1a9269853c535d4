// Files and directories by POSIX calls.
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static void touch(const char* path) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  CHECK(fd >= 0);
  CHECK(close(fd) == 0);
}

static bool exists(const char* path) {
  struct stat st;
  return stat(path, &st) == 0;
}

static void descriptors(void) {
  char b[32];
  int fd = open("/tmp/f", O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(write(fd, "0123456789", 10) == 10);
  CHECK(lseek(fd, 0, SEEK_CUR) == 10);
  CHECK(lseek(fd, 3, SEEK_SET) == 3 && read(fd, b, 4) == 4 && memcmp(b, "3456", 4) == 0);
  CHECK(pread(fd, b, 3, 8) == 2 && memcmp(b, "89", 2) == 0);
  CHECK(pwrite(fd, "xy", 2, 12) == 2);
  CHECK(lseek(fd, 0, SEEK_CUR) == 7);
  CHECK(lseek(fd, -2, SEEK_END) == 12);
  CHECK(pread(fd, b, sizeof b, 0) == 14 && memcmp(b, "0123456789\0\0xy", 14) == 0);
  FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  CHECK(ftruncate(fd, 4) == 0 && pread(fd, b, sizeof b, 0) == 4);
  CHECK(ftruncate(fd, 6) == 0 && pread(fd, b, sizeof b, 0) == 6 && b[5] == 0);
  CHECK(fsync(fd) == 0);

  struct stat st;
  CHECK(fstat(fd, &st) == 0 && st.st_size == 6 && S_ISREG(st.st_mode) && st.st_nlink == 1);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {1000000000, 5}};
  CHECK(futimens(fd, times) == 0);
  CHECK(fstat(fd, &st) == 0 && st.st_mtim.tv_sec == 1000000000 && st.st_mtim.tv_nsec == 5);

  int second = dup(fd);
  CHECK(second >= 0 && close(fd) == 0 && write(second, "z", 1) == 1);
  CHECK(close(second) == 0);

  fd = open("/tmp/f", O_WRONLY | O_APPEND);
  CHECK((fcntl(fd, F_GETFL) & O_APPEND) != 0);
  CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "end", 3) == 3);
  CHECK(fcntl(fd, F_SETFL, 0) == 0 && (fcntl(fd, F_GETFL) & O_APPEND) == 0);
  FAILS(read(fd, b, 1), EBADF);
  CHECK(close(fd) == 0);
  fd = open("/tmp/f", O_RDONLY);
  FAILS(write(fd, b, 1), EBADF);
  CHECK(close(fd) == 0);
  fd = open("/tmp/f", O_RDWR | O_TRUNC);
  CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
  CHECK(close(fd) == 0);
  FAILS(open("/tmp/f", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
  FAILS(open("/tmp/f/below", O_RDONLY), ENOTDIR);
  FAILS(open("/tmp/f", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open("/tmp/none", O_RDONLY), ENOENT);
  FAILS(open("/tmp/none/f", O_CREAT | O_RDWR, 0600), ENOENT);
  CHECK(truncate("/tmp/f", 3) == 0 && stat("/tmp/f", &st) == 0 && st.st_size == 3);
  CHECK(access("/tmp/f", R_OK) == 0);
  CHECK(unlink("/tmp/f") == 0);
  FAILS(unlink("/tmp/f"), ENOENT);

  // A name is not the file.
  fd = open("/tmp/f", O_RDWR | O_CREAT, 0600);
  CHECK(write(fd, "kept", 4) == 4 && unlink("/tmp/f") == 0 && !exists("/tmp/f"));
  CHECK(pread(fd, b, 4, 0) == 4 && memcmp(b, "kept", 4) == 0 && close(fd) == 0);
}

static void directories(void) {
  struct stat st;
  CHECK(mkdir("/tmp/d", 0755) == 0);
  FAILS(mkdir("/tmp/d", 0755), EEXIST);
  CHECK(stat("/tmp/d", &st) == 0 && S_ISDIR(st.st_mode));
  touch("/tmp/d/one");
  touch("/tmp/d/two");
  CHECK(mkdir("/tmp/d/three", 0755) == 0);

  DIR* d = opendir("/tmp/d");
  CHECK(d != NULL);
  for (int round = 0; round < 2; round++) {
    int seen = 0;
    struct dirent* e;
    while ((e = readdir(d)) != NULL) {
      if (strcmp(e->d_name, ".") == 0) seen |= 1;
      if (strcmp(e->d_name, "one") == 0 && e->d_type == DT_REG) seen |= 2;
      if (strcmp(e->d_name, "two") == 0 && e->d_type == DT_REG) seen |= 4;
      if (strcmp(e->d_name, "three") == 0 && e->d_type == DT_DIR) seen |= 8;
    }
    CHECK(seen == 15);
    rewinddir(d);
  }
  CHECK(closedir(d) == 0);
  CHECK(opendir("/tmp/d/one") == NULL && errno == ENOTDIR);

  // More names than go into a message.
  CHECK(mkdir("/tmp/many", 0755) == 0);
  char path[64];
  for (int i = 0; i < 600; i++) {
    snprintf(path, sizeof path, "/tmp/many/a-name-of-some-length-%03d", i);
    touch(path);
  }
  d = opendir("/tmp/many");
  static bool found[600];
  struct dirent* e;
  while ((e = readdir(d)) != NULL) {
    int i;
    if (sscanf(e->d_name, "a-name-of-some-length-%d", &i) == 1) found[i] = true;
  }
  for (int i = 0; i < 600; i++) CHECK(found[i]);
  CHECK(closedir(d) == 0);

  FAILS(rmdir("/tmp/d"), ENOTEMPTY);
  CHECK(rmdir("/tmp/d/three") == 0);
  CHECK(unlink("/tmp/d/one") == 0 && unlink("/tmp/d/two") == 0 && rmdir("/tmp/d") == 0);
  CHECK(!exists("/tmp/d"));
}

static void moves(void) {
  CHECK(mkdir("/tmp/a", 0755) == 0 && mkdir("/tmp/b", 0755) == 0);
  touch("/tmp/a/f");
  CHECK(rename("/tmp/a/f", "/tmp/a/g") == 0 && !exists("/tmp/a/f") && exists("/tmp/a/g"));
  CHECK(rename("/tmp/a/g", "/tmp/b/h") == 0 && !exists("/tmp/a/g") && exists("/tmp/b/h"));
  CHECK(rename("/tmp/a", "/tmp/b/a") == 0 && exists("/tmp/b/a"));
  touch("/tmp/b/i");
  CHECK(rename("/tmp/b/h", "/tmp/b/i") == 0 && exists("/tmp/b/i"));
  FAILS(rename("/tmp/b/none", "/tmp/b/x"), ENOENT);
  FAILS(rename("/tmp/b", "/tmp/b/a/b"), EINVAL);
  FAILS(rename("/tmp/b/a", "/tmp/b/i"), ENOTDIR);
  CHECK(link("/tmp/b/i", "/tmp/b/j") == 0);
  struct stat i, j;
  CHECK(stat("/tmp/b/i", &i) == 0 && stat("/tmp/b/j", &j) == 0 && i.st_ino == j.st_ino && i.st_nlink == 2);
  FAILS(link("/tmp/b/i", "/tmp/b/j"), EEXIST);
}

static void working(void) {
  char b[64];
  CHECK(mkdir("/tmp/w", 0755) == 0 && mkdir("/tmp/w/x", 0755) == 0);
  CHECK(chdir("/tmp/w") == 0 && getcwd(b, sizeof b) && strcmp(b, "/tmp/w") == 0);
  touch("here");
  CHECK(exists("/tmp/w/here") && exists("./here"));
  CHECK(chdir("x") == 0 && getcwd(b, sizeof b) && strcmp(b, "/tmp/w/x") == 0);
  // This libfdio leaves ".." to the server, which has none.
  FAILS(open("../here", O_RDONLY), EINVAL);
  CHECK(chdir("/tmp/w") == 0 && getcwd(b, sizeof b) && strcmp(b, "/tmp/w") == 0);
  FAILS(chdir("here"), ENOTDIR);
  FAILS(chdir("none"), ENOENT);
  int fd = open("x", O_RDONLY | O_DIRECTORY);
  CHECK(fd >= 0);
  int at = openat(fd, "file", O_WRONLY | O_CREAT, 0644);
  CHECK(at >= 0 && close(at) == 0 && exists("/tmp/w/x/file"));
  struct stat st;
  CHECK(fstatat(fd, "file", &st, 0) == 0 && S_ISREG(st.st_mode));
  CHECK(unlinkat(fd, "file", 0) == 0 && !exists("/tmp/w/x/file"));
  CHECK(close(fd) == 0);
  CHECK(chdir("/") == 0);
}

static void limits(void) {
  FAILS(open("/pkg/data/file", O_RDWR), EACCES);
  FAILS(open("/pkg/data/new", O_RDWR | O_CREAT, 0600), EACCES);
  FAILS(mkdir("/pkg/new", 0755), EACCES);
  CHECK(unlink("/pkg/data/file") == -1 && exists("/pkg/data/file"));
  CHECK(rename("/pkg/data/file", "/pkg/data/g") == -1 && exists("/pkg/data/file"));
  // Links that lead out, and what lies outside.
  CHECK(!exists("/pkg/outside") && !exists("/pkg/outside/passwd"));
  CHECK(!exists("/pkg/../etc/passwd") && !exists("/etc/passwd"));
  CHECK(exists("/pkg/inside"));
  char path[400];
  memset(path, 'n', sizeof path);
  memcpy(path, "/tmp/", 5);
  path[5 + 255] = 0;
  touch(path);
  CHECK(unlink(path) == 0);
  path[5 + 255] = 'n';
  path[5 + 256] = 0;
  FAILS(open(path, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
  struct statvfs v;
  CHECK(statvfs("/tmp", &v) == 0 && v.f_namemax == 255 && v.f_blocks > 0);
}

int main(void) {
  descriptors();
  directories();
  moves();
  working();
  limits();
  return failures;
}
