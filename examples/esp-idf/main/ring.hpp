// Readings that the gateway has not acknowledged yet, in memory: bounded, in order, each with the time it was taken at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

struct Reading {
  // Since the start of the device; there may be no other clock yet.
  int64_t uptime_ms;
  // Unix time; 0 until the clock is set.
  int64_t ts_ms;
  uint32_t number;
  float temperature;
  float humidity;
  uint32_t battery;
};

struct Now {
  int64_t uptime_ms;
  // Unix time; 0 while the clock is not set.
  int64_t ts_ms;
};

class Ring {
 public:
  // Keeps at most `size` readings, none of them older than `oldest_ms`: the oldest go first.
  Ring(size_t size, int64_t oldest_ms) : readings_(size), oldest_ms_(oldest_ms) {}

  // False when the oldest reading had to go.
  bool push(Reading reading) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool full = count_ == readings_.size();
    if (full) drop_first();
    readings_[(start_ + count_) % readings_.size()] = reading;
    count_ += 1;
    return !full;
  }

  // The oldest reading, with the same `ts_ms` however often it is asked for. Nothing while the clock is not set.
  std::optional<Reading> first(Now now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (now.ts_ms == 0) return std::nullopt;
    while (count_ > 0) {
      Reading& reading = readings_[start_];
      settle(reading, now);
      // The gateway would take the time of receipt instead: a reading of last week, stored as of today.
      if (reading.ts_ms >= now.ts_ms - oldest_ms_) return reading;
      drop_first();
    }
    return std::nullopt;
  }

  // It was acknowledged; it may have been dropped in the meantime.
  void remove(uint32_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (count_ > 0 && readings_[start_].number == number) drop_first();
  }

 private:
  // Once for each reading: the clock may be set again later, and what is sent again must say the same.
  static void settle(Reading& reading, Now now) {
    if (reading.ts_ms == 0) reading.ts_ms = now.ts_ms - (now.uptime_ms - reading.uptime_ms);
  }

  void drop_first() {
    start_ = (start_ + 1) % readings_.size();
    count_ -= 1;
  }

  std::mutex mutex_;
  std::vector<Reading> readings_;
  const int64_t oldest_ms_;
  size_t start_ = 0;
  size_t count_ = 0;
};
