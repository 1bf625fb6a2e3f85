// Twice as long after every failure, up to the longest pause, and never the same for a whole street after a power cut.
#pragma once

#include <algorithm>
#include <cstdint>

class Backoff {
 public:
  using Random = uint32_t (*)();

  Backoff(uint32_t longest_ms, Random random)
      : first_ms_(std::min<uint32_t>(1000, longest_ms)), longest_ms_(longest_ms), next_ms_(first_ms_), random_(random) {}

  void reset() { next_ms_ = first_ms_; }

  uint32_t next() {
    const uint32_t half = next_ms_ / 2;
    const uint32_t pause = half + random_() % (next_ms_ - half + 1);
    // Not `next_ms_ * 2`: that overflows when the longest pause is very long.
    next_ms_ = next_ms_ > longest_ms_ / 2 ? longest_ms_ : next_ms_ * 2;
    return pause;
  }

 private:
  const uint32_t first_ms_;
  const uint32_t longest_ms_;
  uint32_t next_ms_;
  const Random random_;
};
