/**
 * Debug output of Node and of packages shows what they process: MQTT.js with `DEBUG=mqttjs*` prints payloads and tokens. Imported before
 * anything else, since packages look when they are loaded; Node itself has looked by then.
 */
if ((process.env.NODE_DEBUG ?? "") !== "") {
  process.stderr.write("NODE_DEBUG would print what is told to this service: start it without\n");
  process.exit(2);
}
delete process.env.DEBUG;
