import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import { ipPrefix } from "./ip-address.ts";

const options = { v4PrefixBits: 16, v6PrefixBits: 32 };

describe("ipPrefix", () => {
  it.each([
    ["203.0.113.7", "203.0.0.0/16"],
    ["192.168.1.20", "192.168.0.0/16"],
    ["0.0.0.0", "0.0.0.0/16"],
    ["255.255.255.255", "255.255.0.0/16"],
    ["2001:db8:aaaa:bbbb::1", "2001:db8::/32"],
    ["fe80::1", "fe80::/32"],
    ["::1", "::/32"],
    ["::ffff:203.0.113.7", "203.0.0.0/16"],
    ["::ffff:cb00:7107", "203.0.0.0/16"],
    ["2001:DB8::", "2001:db8::/32"],
  ])("%s becomes %s", (address, prefix) => {
    expect(ipPrefix(address, options)).toBe(prefix);
  });

  it.each(["", "203.0.113", "203.0.113.256", "0x7f000001", "3405803783", "localhost", "1.2.3.4/8", ":::"])(
    "%j is no address",
    (text) => {
      expect(ipPrefix(text, options)).toBeUndefined();
    },
  );

  it("is a network that holds the address, and the same for every host of it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 16 }), (address, bits) => {
        const prefix = ipPrefix(address, { v4PrefixBits: bits, v6PrefixBits: bits * 2 });
        if (prefix === undefined) throw new Error("refused an address");
        const [network, length] = ipaddr.parseCIDR(prefix);
        expect(ipaddr.process(address).match(network, length)).toBe(true);
        expect(
          network
            .toByteArray()
            .slice(network.kind() === "ipv4" ? 2 : 4)
            .every((byte) => byte === 0),
        ).toBe(true);
      }),
    );
  });

  it("never keeps more than 16 or 32 bits, whatever it is told", () => {
    const greedy = { v4PrefixBits: 32, v6PrefixBits: 128 };
    expect(ipPrefix("203.0.113.7", greedy)).toBe("203.0.0.0/16");
    expect(ipPrefix("2001:db8:aaaa::1", greedy)).toBe("2001:db8::/32");
  });
});
