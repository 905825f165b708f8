import fc from "fast-check";
import { expect, test } from "vitest";
import { addressMatcher, isNetwork } from "../../src/config/networks.ts";

test.each(["10.0.0.0/8", "192.0.2.7", "::1", "2001:db8::/32", "0.0.0.0/0"])("%s is a network", (text) => {
  expect(isNetwork(text)).toBe(true);
});

test.each([
  "",
  "10.0.0.0/",
  "10.0.0.0/33",
  "10.0.0.0/8/8",
  "10.0.0/8",
  "proxy",
  "::1/129",
  "10.0.0.1/1e1",
  "10.0.0.1/-1",
])("%s is none", (text) => {
  expect(isNetwork(text)).toBe(false);
});

test("an address is matched by the networks that contain it, also as an IPv6 socket shows it", () => {
  const matches = addressMatcher(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);

  expect(["10.1.2.3", "2001:db8::9", "192.0.2.7", "::ffff:10.1.2.3"].filter(matches)).toHaveLength(4);
  expect(["11.1.2.3", "2001:db9::9", "192.0.2.8", "", "10.1.2", "unix:"].filter(matches)).toEqual([]);
});

test("without networks nothing is matched", () => {
  const matches = addressMatcher([]);
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => !matches(address)));
});
