import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor, redactUrls, urlPasswords } from "../../../src/model/texts/redaction.ts";

test("a password in a URL is hidden by its place, and the rest stays readable", () => {
  expect(redactUrls("connect postgres://me:s3cr3t@db:5432/x?a=b failed")).toBe(
    "connect postgres://me:[redacted]@db:5432/x?a=b failed",
  );
  expect(redactUrls("amqp://:pw@mq and http://host:80/a@b")).toBe(
    "amqp://:[redacted]@mq and http://host:80/a@b",
  );
});

test("a password with the characters it should have encoded is hidden whole", () => {
  expect(redactUrls('"postgres://me:a/b?c#d@e@db/x", "mail@x"')).toBe(
    '"postgres://me:[redacted]@db/x", "mail@x"',
  );
});

test("a known secret is redacted wherever it occurs, longest first", () => {
  const redact = createRedactor(["0123456789", "0123456789abc"]);

  expect(redact('{"token":"0123456789abc"} 0123456789')).toBe('{"token":"[redacted]"} [redacted]');
});

test("a secret as short as a word is not hidden by value, which would deface every line", () => {
  expect(createRedactor(["attune"])("schema attune")).toBe("schema attune");
});

// Goal: no password that a URL can carry survives redaction. Method: let fast-check write the passwords.
test("whatever the password, it does not survive", () => {
  const passwords = fc.string({ minLength: 8, maxLength: 40 }).map(encodeURIComponent);

  fc.assert(
    fc.property(passwords, (password) => {
      const url = `postgres://user:${password}@host/db`;
      expect(redactUrls(`x ${url} y`)).toBe("x postgres://user:[redacted]@host/db y");
      expect(createRedactor(urlPasswords(url))(`login with ${password}`)).not.toContain(` ${password}`);
    }),
  );
});
