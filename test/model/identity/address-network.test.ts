import { expect, test } from "vitest";
import { addressNetwork } from "../../../src/model/identity/address-network.ts";

test.each([
  { address: "203.0.113.7", network: "203.0.113.7" },
  { address: "::ffff:203.0.113.7", network: "203.0.113.7" },
  { address: "2001:db8:1:2:3:4:5:6", network: "2001:db8:1:2" },
  { address: "2001:DB8:0001:2::1", network: "2001:db8:1:2" },
  { address: "2001:db8::1", network: "2001:db8:0:0" },
  { address: "::1", network: "0:0:0:0" },
  { address: "fe80::", network: "fe80:0:0:0" },
])("$address counts for $network", ({ address, network }) => {
  expect(addressNetwork(address)).toBe(network);
});
