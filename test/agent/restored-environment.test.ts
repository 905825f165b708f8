import fc from "fast-check";
import { expect, test } from "vitest";
import { setAside, splitEnvironment } from "../../src/agent/restored-environment.ts";

test("a variable set aside is restored under its own name, and is not one of the agent's", () => {
  const { own, restored } = splitEnvironment({
    PATH: "/usr/bin",
    "@D_PRELOAD": "/usr/lib/libfoo.so",
    "@ODE_OPTIONS": "--require /app/hook.js",
    "@LIBC_TUNABLES": "glibc.malloc.check=3",
  });

  expect(own).toEqual({ PATH: "/usr/bin" });
  expect(restored).toEqual({
    PATH: "/usr/bin",
    LD_PRELOAD: "/usr/lib/libfoo.so",
    NODE_OPTIONS: "--require /app/hook.js",
    GLIBC_TUNABLES: "glibc.malloc.check=3",
  });
});

test("a variable that merely begins with the prefix is kept", () => {
  const environment = { "@HOME": "/root", "@LIBC_TUNABLES_OF_MINE": "1" };

  expect(splitEnvironment(environment)).toEqual({ own: environment, restored: environment });
});

test("nothing is set aside when the agent runs from source", () => {
  const environment = { NODE_OPTIONS: "--enable-source-maps", HOME: "/root" };

  expect(splitEnvironment(environment)).toEqual({ own: environment, restored: environment });
});

// Goal: whatever the stub sets aside is restored exactly.
// Method: do to a random name of each family what the stub does, and expect it back.
test("every listed name survives being set aside", () => {
  const suffix = fc.stringMatching(/^[A-Z0-9_]{0,12}$/);
  fc.assert(
    fc.property(fc.constantFrom(...setAside), suffix, fc.string(), (entry, tail, value) => {
      const name = entry.endsWith("=") ? entry.slice(0, -1) : entry + tail;

      const { own, restored } = splitEnvironment({ [`@${name.slice(1)}`]: value });

      expect(restored).toEqual({ [name]: value });
      expect(own).toEqual({});
    }),
  );
});
