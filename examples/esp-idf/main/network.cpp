#include "network.hpp"

#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "esp_event.h"
#include "esp_netif.h"
#include "esp_netif_sntp.h"
#include "esp_timer.h"
#include "esp_wifi.h"
#include "sdkconfig.h"

namespace {

// Before this the clock has not been set: it starts in 1970.
constexpr int64_t YEAR_2024_MS = 1704067200000;

void on_wifi(void*, esp_event_base_t, int32_t id, void*) {
  if (id == WIFI_EVENT_STA_START || id == WIFI_EVENT_STA_DISCONNECTED) esp_wifi_connect();
}

template <size_t Size>
void copy(uint8_t (&target)[Size], const std::string& text) {
  std::memcpy(target, text.data(), std::min(text.size(), Size));
}

}  // namespace

void start_network(const Settings& settings) {
  ESP_ERROR_CHECK(esp_netif_init());
  ESP_ERROR_CHECK(esp_event_loop_create_default());
  esp_netif_create_default_wifi_sta();
  const wifi_init_config_t wifi = WIFI_INIT_CONFIG_DEFAULT();
  ESP_ERROR_CHECK(esp_wifi_init(&wifi));
  ESP_ERROR_CHECK(esp_event_handler_register(WIFI_EVENT, ESP_EVENT_ANY_ID, on_wifi, nullptr));
  wifi_config_t station = {};
  copy(station.sta.ssid, settings.ssid);
  copy(station.sta.password, settings.wifi_password);
  ESP_ERROR_CHECK(esp_wifi_set_mode(WIFI_MODE_STA));
  ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_STA, &station));
  ESP_ERROR_CHECK(esp_wifi_start());
  const esp_sntp_config_t clock = ESP_NETIF_SNTP_DEFAULT_CONFIG(CONFIG_DEVICE_NTP_SERVER);
  ESP_ERROR_CHECK(esp_netif_sntp_init(&clock));
}

Now now() {
  timeval time;
  gettimeofday(&time, nullptr);
  const int64_t ts_ms = int64_t{time.tv_sec} * 1000 + time.tv_usec / 1000;
  return {esp_timer_get_time() / 1000, ts_ms < YEAR_2024_MS ? 0 : ts_ms};
}
