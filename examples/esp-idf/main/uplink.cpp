#include "uplink.hpp"

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <string>

#include "backoff.hpp"
#include "esp_log.h"
#include "esp_random.h"
#include "freertos/FreeRTOS.h"
#include "freertos/event_groups.h"
#include "freertos/task.h"
#include "mqtt_client.h"
#include "network.hpp"
#include "sdkconfig.h"
#include "settings.hpp"

// CMakeLists.txt puts the file ca.pem into the program, with a zero at its end.
extern const char ca_pem[] asm("_binary_ca_pem_start");

namespace {

constexpr char TAG[] = "device";
constexpr int KEEPALIVE_S = 60;
constexpr uint32_t ANSWER_MS = 30000;
constexpr uint32_t LOOK_MS = 1000;
// Far below the gateway's `mqtt.rate.perSecond` (100): what is faster is acknowledged and thrown away.
constexpr uint32_t PAUSE_BETWEEN_READINGS_MS = 50;

constexpr EventBits_t CONNECTED = 1 << 0;
constexpr EventBits_t ENDED = 1 << 1;
constexpr EventBits_t ACKNOWLEDGED = 1 << 2;

enum class Ending { lost, wrong_token, misconfigured };

// One connection with a client of its own: nothing of an earlier one is sent behind our back.
class Connection {
 public:
  explicit Connection(const esp_mqtt_client_config_t& configuration) : events_(xEventGroupCreate()) {
    client_ = esp_mqtt_client_init(&configuration);
    if (client_ == nullptr) return;
    esp_mqtt_client_register_event(client_, MQTT_EVENT_ANY, on_event, this);
    esp_mqtt_client_start(client_);
  }

  ~Connection() {
    if (client_ != nullptr) {
      esp_mqtt_client_stop(client_);
      esp_mqtt_client_destroy(client_);
    }
    vEventGroupDelete(events_);
  }

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool open() { return client_ != nullptr && wait(CONNECTED); }

  bool ended() const { return (xEventGroupGetBits(events_) & ENDED) != 0; }

  // True when the PUBACK has come.
  bool publish(const std::string& topic, const char* payload) {
    xEventGroupClearBits(events_, ACKNOWLEDGED);
    if (esp_mqtt_client_publish(client_, topic.c_str(), payload, 0, 1, 0) < 0) return false;
    return wait(ACKNOWLEDGED);
  }

  int return_code() const { return return_code_; }

 private:
  bool wait(EventBits_t what) {
    return (xEventGroupWaitBits(events_, what | ENDED, pdFALSE, pdFALSE, pdMS_TO_TICKS(ANSWER_MS)) & what) != 0;
  }

  static void on_event(void* argument, esp_event_base_t, int32_t, void* data) {
    auto* self = static_cast<Connection*>(argument);
    const auto* event = static_cast<const esp_mqtt_event_t*>(data);
    switch (event->event_id) {
      case MQTT_EVENT_CONNECTED:
        xEventGroupSetBits(self->events_, CONNECTED);
        break;
      case MQTT_EVENT_PUBLISHED:
        xEventGroupSetBits(self->events_, ACKNOWLEDGED);
        break;
      case MQTT_EVENT_ERROR:
        if (event->error_handle->error_type == MQTT_ERROR_TYPE_CONNECTION_REFUSED) {
          self->return_code_ = event->error_handle->connect_return_code;
        }
        xEventGroupSetBits(self->events_, ENDED);
        break;
      case MQTT_EVENT_DISCONNECTED:
        xEventGroupSetBits(self->events_, ENDED);
        break;
      default:
        break;
    }
  }

  EventGroupHandle_t events_;
  esp_mqtt_client_handle_t client_ = nullptr;
  std::atomic<int> return_code_{MQTT_CONNECTION_ACCEPTED};
};

esp_mqtt_client_config_t configuration(const Settings& settings) {
  esp_mqtt_client_config_t config = {};
  config.broker.address.uri = settings.gateway.c_str();
  // The given CA and no other; the name is checked unless somebody switches that off.
  config.broker.verification.certificate = ca_pem;
  config.credentials.client_id = settings.device.c_str();
  config.credentials.username = settings.device.c_str();
  config.credentials.authentication.password = settings.token.c_str();
  config.session.protocol_ver = MQTT_PROTOCOL_V_3_1_1;
  config.session.keepalive = KEEPALIVE_S;
  config.network.disable_auto_reconnect = true;
  return config;
}

// The same text for the same reading: whatever is sent again has the same `ts` and `id`, and is stored once.
void write_payload(char* text, size_t size, const Reading& reading, uint32_t run) {
  std::snprintf(text, size,
                "{\"model\":\"EX-ESP\",\"status\":{\"temperature\":%.1f,\"humidity\":%.0f,\"battery\":%" PRIu32
                "},\"ts\":%" PRId64 ",\"id\":\"%08" PRIx32 "-%" PRIu32 "\"}",
                static_cast<double>(reading.temperature), static_cast<double>(reading.humidity), reading.battery,
                reading.ts_ms, run, reading.number);
}

void send_readings(Connection& connection, const std::string& topic, Ring& ring, uint32_t run, Backoff& backoff) {
  char payload[256];
  while (!connection.ended()) {
    const auto reading = ring.first(now());
    if (!reading) {
      vTaskDelay(pdMS_TO_TICKS(200));
      continue;
    }
    write_payload(payload, sizeof payload, *reading, run);
    if (!connection.publish(topic, payload)) return;
    ring.remove(reading->number);
    // Only now: a gateway that lets us in and takes nothing is no reason for haste.
    backoff.reset();
    ESP_LOGI(TAG, "acknowledged %s", payload);
    vTaskDelay(pdMS_TO_TICKS(PAUSE_BETWEEN_READINGS_MS));
  }
}

Ending attempt(const Settings& settings, Ring& ring, uint32_t run, Backoff& backoff) {
  Connection connection(configuration(settings));
  if (connection.open()) {
    ESP_LOGI(TAG, "connected");
    send_readings(connection, "devices/" + settings.device + "/telemetry", ring, run, backoff);
    return Ending::lost;
  }
  switch (connection.return_code()) {
    case MQTT_CONNECTION_REFUSE_BAD_USERNAME:
      return Ending::wrong_token;
    case MQTT_CONNECTION_REFUSE_PROTOCOL:
    case MQTT_CONNECTION_REFUSE_ID_REJECTED:
      return Ending::misconfigured;
    default:
      return Ending::lost;
  }
}

}  // namespace

void keep_sending(Ring& ring) {
  Backoff backoff(CONFIG_DEVICE_LONGEST_PAUSE_MS, esp_random);
  // Readings are counted from one at every start; this keeps their ids apart.
  const uint32_t run = esp_random();
  for (;;) {
    const Settings settings = read_settings();
    switch (attempt(settings, ring, run, backoff)) {
      case Ending::wrong_token:
        ESP_LOGW(TAG, "the token is not valid: waiting for another one in NVS");
        // Trying the same token again and again would only look like an attack.
        while (read_settings().token == settings.token) vTaskDelay(pdMS_TO_TICKS(LOOK_MS));
        backoff.reset();
        break;
      case Ending::misconfigured:
        ESP_LOGE(TAG, "refused: is `device` in NVS the id that the token was issued for?");
        vTaskDelay(pdMS_TO_TICKS(CONFIG_DEVICE_LONGEST_PAUSE_MS));
        break;
      case Ending::lost:
        ESP_LOGW(TAG, "not connected");
        vTaskDelay(pdMS_TO_TICKS(backoff.next()));
        break;
    }
  }
}
