// Wi-Fi, and the clock from the network. Neither is waited for: readings wait in the ring until both are there.
#pragma once

#include "ring.hpp"
#include "settings.hpp"

void start_network(const Settings& settings);

Now now();
