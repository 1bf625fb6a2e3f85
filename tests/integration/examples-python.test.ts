/** The device of `examples/python` keeps what every example promises, against a real gateway. */
import { exampleContract } from "../fixtures/example-contract.ts";
import { PYTHON } from "../fixtures/example-programs.ts";

exampleContract(PYTHON);
