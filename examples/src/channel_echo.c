// Sends every message on the channel it is given as PA_USER0 back, bytes and
// handles, until the other side closes it. Returns 0 then.
#include "start.h"

int64_t main(int argc, char **argv, char **envp) {
  (void)argc, (void)argv, (void)envp;
  static char bytes[ZX_CHANNEL_MAX_MSG_BYTES];
  static zx_handle_t handles[ZX_CHANNEL_MAX_MSG_HANDLES];
  zx_handle_t channel = start_handle(PA_USER0, 0);
  for (;;) {
    uint32_t num_bytes, num_handles;
    zx_status_t status = zx_channel_read(channel, 0, bytes, handles, sizeof bytes,
                                         ZX_CHANNEL_MAX_MSG_HANDLES, &num_bytes, &num_handles);
    if (status == ZX_ERR_SHOULD_WAIT)
      status = zx_object_wait_one(channel, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED,
                                  ZX_TIME_INFINITE, NULL);
    else if (status == ZX_OK)
      status = zx_channel_write(channel, 0, bytes, num_bytes, handles, num_handles);
    if (status == ZX_ERR_PEER_CLOSED) return 0;
    if (status != ZX_OK) return status;
  }
}
