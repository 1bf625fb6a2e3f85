/** The device of `examples/node` keeps what every example promises, against a real gateway. */
import { exampleContract } from "../fixtures/example-contract.ts";
import { NODE } from "../fixtures/example-programs.ts";

exampleContract(NODE);
