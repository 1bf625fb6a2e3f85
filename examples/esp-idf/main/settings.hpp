// What differs from device to device. It lies in NVS, put there when the device is made, and nowhere in the program.
#pragma once

#include <string>

struct Settings {
  std::string device;
  std::string token;
  // mqtts://host:port, the host as it stands in the certificate.
  std::string gateway;
  std::string ssid;
  std::string wifi_password;
};

Settings read_settings();
