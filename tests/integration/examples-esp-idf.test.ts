/** The device of `examples/esp-idf` keeps what every example promises, against a real gateway. */
import { exampleContract } from "../fixtures/example-contract.ts";
import { ESP_IDF } from "../fixtures/example-programs.ts";

exampleContract(ESP_IDF);
