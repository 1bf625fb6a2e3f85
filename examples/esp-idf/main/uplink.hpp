// Sends what is in the ring, one reading after the other, and connects again for as long as it takes.
#pragma once

#include "ring.hpp"

// Never returns.
[[noreturn]] void keep_sending(Ring& ring);
