// A device that publishes telemetry and loses nothing while it is offline, for ESP-IDF 5.
// How to make the CA, where the token comes from and why it behaves as it does: docs/guides/connect-a-device.md
#include "esp_log.h"
#include "esp_random.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "network.hpp"
#include "nvs_flash.h"
#include "ring.hpp"
#include "sdkconfig.h"
#include "settings.hpp"
#include "uplink.hpp"

namespace {

constexpr char TAG[] = "device";
// An hour less than what the gateway still takes as a time of a device (`mqtt.clockWindowPastMs`).
constexpr int64_t KEEP_FOR_MS = 23 * 3600 * 1000;

// Put your sensors here. Names, units and ranges: docs/properties.md. The payload is written in uplink.cpp.
Reading measure(uint32_t number) {
  const Now at = now();
  const float temperature = 20.0F + static_cast<float>(esp_random() % 20) / 10.0F;
  const float humidity = 45.0F + static_cast<float>(esp_random() % 6);
  return {at.uptime_ms, at.ts_ms, number, temperature, humidity, 87};
}

void keep_measuring(void* argument) {
  auto& ring = *static_cast<Ring*>(argument);
  for (uint32_t number = 1;; number += 1) {
    if (!ring.push(measure(number))) ESP_LOGW(TAG, "dropped a message: the buffer is full");
    vTaskDelay(pdMS_TO_TICKS(CONFIG_DEVICE_EVERY_MS));
  }
}

}  // namespace

extern "C" void app_main() {
  // Not erased when this fails, as other examples do: the token would be gone.
  ESP_ERROR_CHECK(nvs_flash_init());
  static Ring ring(CONFIG_DEVICE_RING_SIZE, KEEP_FOR_MS);
  xTaskCreate(keep_measuring, "measuring", 4096, &ring, 5, nullptr);
  start_network(read_settings());
  keep_sending(ring);
}
