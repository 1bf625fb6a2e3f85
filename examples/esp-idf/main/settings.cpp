#include "settings.hpp"

#include "esp_err.h"
#include "nvs.h"

namespace {

std::string read_string(nvs_handle_t nvs, const char* key) {
  size_t size = 0;
  if (nvs_get_str(nvs, key, nullptr, &size) != ESP_OK || size == 0) return "";
  std::string text(size, '\0');
  if (nvs_get_str(nvs, key, text.data(), &size) != ESP_OK) return "";
  // `size` counts the zero at the end.
  text.resize(size - 1);
  return text;
}

}  // namespace

Settings read_settings() {
  nvs_handle_t nvs;
  if (nvs_open("consentry", NVS_READONLY, &nvs) != ESP_OK) return {};
  Settings settings;
  settings.device = read_string(nvs, "device");
  settings.token = read_string(nvs, "token");
  settings.gateway = read_string(nvs, "gateway");
  settings.ssid = read_string(nvs, "ssid");
  settings.wifi_password = read_string(nvs, "wifi_password");
  nvs_close(nvs);
  return settings;
}
