import { describe, expect, it } from "vitest";
import { writeRefusal } from "./write-refusal.ts";

const reply = (message: string) => Object.assign(new Error(message), { name: "ReplyError" });

describe("what Redis refuses", () => {
  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", "OOM"],
    ["READONLY You can't write against a read only replica. script: c0ffee, on @user_script:12.", "READONLY"],
    ["ERR Error running script (call to f_c0ffee): @user_script:1: @user_script: 1: -OOM command not allowed", "OOM"],
    ["MISCONF Errors writing to the AOF file: No space left on device", "MISCONF"],
    ["NOPERM User lamp has no permissions to run the 'evalsha' command", "NOPERM"],
    ["ERR The user executing the script can't run this command or subcommand script: c0ffee", "NOPERM"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "ERR"],
    ["someone's own words", "ERR"],
  ])("%s", (message, code) => expect(writeRefusal(reply(message))).toBe(code));

  it("in a transaction is the error of its first command", () => {
    const error = Object.assign(reply("EXECABORT Transaction discarded because of previous errors."), {
      previousErrors: [reply("OOM command not allowed")],
    });
    expect(writeRefusal(error)).toBe("OOM");
  });

  it("is undefined without a reply", () => {
    expect(writeRefusal(new Error("Command timed out"))).toBeUndefined();
    expect(writeRefusal(new Error("Connection is closed."))).toBeUndefined();
    expect(writeRefusal("OOM ")).toBeUndefined();
  });
});
