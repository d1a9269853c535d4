// Threads, locks and a large allocation through the SDK's libc.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

static mtx_t lock;
static int total;
static _Thread_local int mine;

static int work(void *arg) {
  (void)arg;
  for (int i = 0; i < 1000; i++) {
    mtx_lock(&lock);
    total++;
    mtx_unlock(&lock);
    mine++;
  }
  return mine;
}

int main(void) {
  mtx_init(&lock, mtx_plain);
  thrd_t t[8];
  for (int i = 0; i < 8; i++)
    if (thrd_create(&t[i], work, NULL) != thrd_success) return 1;
  int sum = 0;
  for (int i = 0; i < 8; i++) {
    int n;
    thrd_join(t[i], &n);
    sum += n;
  }
  size_t size = 32 << 20;
  char *p = malloc(size);
  memset(p, 7, size);
  int ok = p[size - 1] == 7;
  free(p);
  printf("total %d sum %d memory %d own %d\n", total, sum, ok, mine);
  return 0;
}
