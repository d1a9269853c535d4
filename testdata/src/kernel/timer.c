#include "kernel.h"

CHECK(timer_create) {
  zx_handle_t t;
  IS(ZX_ERR_INVALID_ARGS, zx_timer_create(3, ZX_CLOCK_MONOTONIC, &t));
  IS(ZX_ERR_INVALID_ARGS, zx_timer_create(0, 7, &t));
  for (uint32_t mode = ZX_TIMER_SLACK_CENTER; mode <= ZX_TIMER_SLACK_LATE; mode++) {
    OK(zx_timer_create(mode, ZX_CLOCK_MONOTONIC, &t));
    IS(ZX_OBJ_TYPE_TIMER, type(t));
    IS(ZX_RIGHTS_BASIC | ZX_RIGHT_WRITE | ZX_RIGHT_SIGNAL, rights(t));
    IS(0, signals(t));
    IS(ZX_ERR_OUT_OF_RANGE, zx_timer_set(t, 1, -1));
    OK(zx_handle_close(t));
  }
}

CHECK(timer_fires) {
  // Without slack, no mode lets it fire early.
  for (uint32_t mode = ZX_TIMER_SLACK_CENTER; mode <= ZX_TIMER_SLACK_LATE; mode++) {
    zx_handle_t t;
    OK(zx_timer_create(mode, ZX_CLOCK_MONOTONIC, &t));
    zx_time_t deadline = zx_deadline_after(ZX_MSEC(3));
    OK(zx_timer_set(t, deadline, 0));
    OK(zx_object_wait_one(t, ZX_TIMER_SIGNALED, soon(), NULL));
    TRUE(zx_clock_get_monotonic() >= deadline);
    OK(zx_handle_close(t));
  }
}

CHECK(timer_slack) {
  // With slack it fires within the range that its mode allows.
  const zx_duration_t slack = ZX_MSEC(2);
  for (uint32_t mode = ZX_TIMER_SLACK_CENTER; mode <= ZX_TIMER_SLACK_LATE; mode++) {
    zx_handle_t t;
    OK(zx_timer_create(mode, ZX_CLOCK_MONOTONIC, &t));
    zx_time_t deadline = zx_deadline_after(ZX_MSEC(5));
    OK(zx_timer_set(t, deadline, slack));
    OK(zx_object_wait_one(t, ZX_TIMER_SIGNALED, soon(), NULL));
    zx_time_t earliest = mode == ZX_TIMER_SLACK_LATE ? deadline : deadline - slack;
    TRUE(zx_clock_get_monotonic() >= earliest);
    OK(zx_handle_close(t));
  }
}

CHECK(timer_set_again) {
  zx_handle_t t;
  OK(zx_timer_create(0, ZX_CLOCK_MONOTONIC, &t));
  OK(zx_timer_set(t, 0, 0));
  OK(zx_object_wait_one(t, ZX_TIMER_SIGNALED, soon(), NULL));
  // Setting it takes the signal back.
  OK(zx_timer_set(t, ZX_TIME_INFINITE, 0));
  IS(0, signals(t));
  OK(zx_timer_set(t, 1, 0));
  OK(zx_object_wait_one(t, ZX_TIMER_SIGNALED, soon(), NULL));
  OK(zx_timer_cancel(t));
  IS(0, signals(t));
  // So does canceling, which needs no deadline.
  OK(zx_timer_cancel(t));
  OK(zx_timer_set(t, zx_deadline_after(ZX_MSEC(2)), 0));
  OK(zx_timer_cancel(t));
  IS(ZX_ERR_TIMED_OUT,
     zx_object_wait_one(t, ZX_TIMER_SIGNALED, zx_deadline_after(ZX_MSEC(5)), NULL));
  OK(zx_handle_close(t));
}

CHECK(timer_info) {
  zx_handle_t t;
  zx_info_timer_t info;
  OK(zx_timer_create(ZX_TIMER_SLACK_LATE, ZX_CLOCK_MONOTONIC, &t));
  OK(zx_object_get_info(t, ZX_INFO_TIMER, &info, sizeof info, NULL, NULL));
  IS(ZX_TIMER_SLACK_LATE, info.options);
  IS(0, info.deadline);
  zx_time_t deadline = zx_deadline_after(ZX_SEC(1000));
  OK(zx_timer_set(t, deadline, 5000));
  OK(zx_object_get_info(t, ZX_INFO_TIMER, &info, sizeof info, NULL, NULL));
  IS(deadline, info.deadline);
  IS(5000, info.slack);
  OK(zx_timer_cancel(t));
  OK(zx_object_get_info(t, ZX_INFO_TIMER, &info, sizeof info, NULL, NULL));
  IS(0, info.deadline);
  OK(zx_handle_close(t));
}

CHECK(timer_port) {
  zx_handle_t t, port;
  zx_port_packet_t p;
  OK(zx_timer_create(0, ZX_CLOCK_MONOTONIC, &t));
  OK(zx_port_create(0, &port));
  OK(zx_object_wait_async(t, port, 3, ZX_TIMER_SIGNALED, 0));
  OK(zx_timer_set(t, zx_deadline_after(ZX_MSEC(1)), 0));
  OK(zx_port_wait(port, soon(), &p));
  IS(3, p.key);
  IS(ZX_TIMER_SIGNALED, p.signal.observed);
  OK(zx_handle_close(t));
  OK(zx_handle_close(port));
}
