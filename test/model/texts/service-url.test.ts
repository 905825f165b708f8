import fc from "fast-check";
import { expect, test } from "vitest";
import { serviceUrlProblem } from "../../../src/model/texts/service-url.ts";

test.each([
  "postgresql://me:secret@db:5432/attune",
  "postgresql://me:p%40s%23s@db/attune?sslmode=verify-full&options=-c%20a%3Db",
  "postgresql://me:p@ss@db/attune", // Every parser looks for the last @ before the path.
  "postgresql://me:a:b:c@db/attune",
  "postgresql://me@db",
  "postgresql://db:5432",
  "postgresql:///attune?host=/var/run/postgresql",
  "postgresql://me:secret@/attune?host=/var/run/postgresql",
  "postgresql://me:secret@[::1]:5432/attune",
  "postgresql://me:secret@[::1]/attune",
  "postgresql://me:secret@%2Fvar%2Frun/attune",
  "amqp://me:secret@mq:5672/%2F",
  "amqps://mq",
  "http://127.0.0.1:8080/base",
])("%s is well", (url) => {
  expect(serviceUrlProblem(url)).toBeUndefined();
});

test.each([
  ["amqp://me:50%off@mq", "has a % that is not followed by two hexadecimal digits: write it as %25"],
  ["amqp://me:50%ff@mq", "has percent-encoded bytes that are not UTF-8: write a % itself as %25"],
  ["amqp://me:a#b@mq", "has a # that is not percent-encoded: in a user name or password write it as %23"],
  ["amqp://me:1#b@mq", "has a # that is not percent-encoded: in a user name or password write it as %23"],
  ["amqp://me:a/b@mq", "has a / that is not percent-encoded: in a user name or password write it as %2F"],
  ["amqp://me:1/b@mq/v", "has a / that is not percent-encoded: in a user name or password write it as %2F"],
  ["amqp://me:a?b@mq", "has a ? that is not percent-encoded: in a user name or password write it as %3F"],
  ["amqp://me:a@b/c@mq", "has an @ after a /: write an @ as %40, and a / in a password as %2F"],
  ["amqp://me:a b@mq", "has a space or a line break in it: write a space as %20"],
  ["amqp://me:ab@mq\n", "has a space or a line break in it: write a space as %20"],
  ["postgresql://me:a@one,two/x", "names several hosts: name only the address of the primary"],
  ["postgresql://me:a@/x?host=one,two", "names several hosts: name only the address of the primary"],
  ["postgresql://me:a@::1/x", "has more than one : in its host: write an IPv6 address in brackets"],
  ["postgresql://me:a@db:x/y", "has a port that is not a number from 1 to 65535"],
  ["postgresql://me:a@db:70000/y", "has a port that is not a number from 1 to 65535"],
  ["postgresql://me:a@[::1]:0/y", "has a port that is not a number from 1 to 65535"],
  ["postgresql://me:a@[::1/y", "is not of the form scheme://user@host:port/name"],
])("%s %s", (url, problem) => {
  expect(serviceUrlProblem(url)).toBe(problem);
});

// Goal: a password in a URL either arrives as it was meant, or the URL is refused.
// Method: any password, as it is and percent-encoded, with whatever host, path and query follow.
test("no password is read as anything else, and none that is encoded is refused", () => {
  const passwords = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(
    fc.property(passwords, (password) => {
      const encoded = `amqp://me:${encodeURIComponent(password)}@mq:5672/v`;
      expect(serviceUrlProblem(encoded)).toBeUndefined();
      expect(decodeURIComponent(new URL(encoded).password)).toBe(password);

      const raw = `amqp://me:${password}@mq:5672/v`;
      if (serviceUrlProblem(raw) !== undefined) return;
      const { host, password: read } = new URL(raw);
      // An encoded password that looks encoded again is another password; the two cannot be distinguished.
      expect({ host, password: decodeURIComponent(read) }).toEqual({
        host: "mq:5672",
        password: decodeURIComponent(password),
      });
    }),
    { numRuns: 2_000 },
  );
});
