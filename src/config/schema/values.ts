/** The kinds of values that the schema of the configuration is made of. */
import { Type } from "typebox";

/** Sections and free-form maps are optional; they are completed with their own defaults. */
export const section = { default: {} };

export const Text = (description: string, fallback: string) =>
  Type.String({ description, default: fallback, minLength: 1 });

export const BrokerName = (description: string, fallback: string) =>
  Type.String({
    description,
    default: fallback,
    pattern: "^(?!amq\\.)[A-Za-z0-9_.:-]{1,127}$",
    expects: "up to 127 letters, digits and `_.:-`, not beginning with `amq.`",
  });

export const Seconds = (description: string, fallback: number) =>
  Type.Number({ description, default: fallback, exclusiveMinimum: 0, maximum: 1_000_000 });

export const Count = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ description, default: fallback, minimum, maximum: 1_000_000_000 });

/** A limit for text that is held in memory or stored as one value. */
export const Bytes = (description: string, fallback: number) =>
  Type.Integer({ description, default: fallback, minimum: 1_024, maximum: 268_435_456 });

export const Url = (description: string, [scheme, other]: readonly [string, string]) =>
  Type.Optional(
    Type.String({
      description,
      pattern: `^(${scheme}|${other})://.`,
      expects: `a URL that begins with ${scheme}:// or ${other}://`,
      writeOnly: true, // It may contain a password, whose position in an invalid URL is unknown.
    }),
  );

export const Secret = (description: string) =>
  Type.Optional(Type.String({ description, minLength: 1, writeOnly: true }));

export const PemFile = (description: string) => Type.Optional(Type.String({ description, minLength: 1 }));

export const Tls = (server: string) =>
  Type.Object(
    {
      ca: PemFile(`PEM file with the certificate of the authority that signed ${server}'s`),
      cert: PemFile("PEM file with this client's certificate"),
      key: PemFile("PEM file with the key of this client's certificate"),
      server_name: Type.Optional(
        Type.String({ description: "Name in the certificate, if it is not the URL's host", minLength: 1 }),
      ),
      verify: Type.Optional(
        Type.Enum(["full", "ca", "none"], {
          description:
            "How to verify the certificate: fully, with any name (`ca`), or not at all; `full` by default",
        }),
      ),
    },
    section,
  );

export const Keep = (description: string) =>
  Type.Optional(
    Type.String({
      description,
      pattern:
        "^\\s*\\d+(\\.\\d+)?\\s*(d|days?|hours?|rows?|bytes|[kmgtKMGT][bB])?\\s*(,\\s*\\d+(\\.\\d+)?\\s*(d|days?|hours?|rows?|bytes|[kmgtKMGT][bB])?\\s*)*$",
      takesNumbers: true,
      expects: "a number of days, rows or bytes, such as `30 days`, `1000000 rows` or `30 days, 20 GB`",
    }),
  );

export const FileOf = (what: string) =>
  Type.Optional(Type.String({ description: `File that contains ${what}`, minLength: 1 }));
