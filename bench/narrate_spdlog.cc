/* SPDX-License-Identifier: MIT */

/* spdlog's side of bench/narrate.c: its queue, its thread, and no output. */

#include <spdlog/async.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <memory>

extern "C" {
int bench_spdlog_open(unsigned long queue);
void bench_spdlog_say(int i);
void bench_spdlog_close(void);
}

static std::shared_ptr<spdlog::details::thread_pool> pool;
static std::shared_ptr<spdlog::async_logger> logger;

int bench_spdlog_open(unsigned long queue) try {
  pool = std::make_shared<spdlog::details::thread_pool>(queue, 1);
  logger = std::make_shared<spdlog::async_logger>(
      "bench", std::make_shared<spdlog::sinks::null_sink_mt>(), pool,
      spdlog::async_overflow_policy::block);
  return 0;
} catch (...) {
  return -1;
}

void bench_spdlog_say(int i) {
  SPDLOG_LOGGER_INFO(logger,
                     "got one of seven layers of the image actor={} action={} "
                     "target={} correlation_id={} request_id={} worker_id={} "
                     "duration_ms={} bytes={}",
                     "downloader", "fetch", "layer-17", "corr-6f1a2b3c4d5e",
                     "req-0042", "worker-3", i, 4194304);
}

void bench_spdlog_close(void) {
  logger.reset();
  pool.reset();
}
