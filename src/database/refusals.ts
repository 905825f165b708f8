/**
 * What PostgreSQL's answers mean for an operator, by SQLSTATE: the table that docs/errors.md shows (a test
 * compares them). A state of five characters wins over its class of two; the classes are those of
 * https://www.postgresql.org/docs/current/errcodes-appendix.html.
 */
import type { ErrorCode } from "../errors/catalogue.ts";

export interface Refusal {
  /** States, or classes of states. */
  readonly states: readonly string[];
  readonly code: ErrorCode;
  /** What the server's own words are about. */
  readonly meaning: string;
  readonly remedy: string;
  /** Where the state alone does not say enough: by the server's words. */
  readonly variants?: readonly {
    readonly words: RegExp;
    readonly code?: ErrorCode;
    readonly remedy: string;
  }[];
}

const report = "this is a bug of the agent, unless somebody changed the tables; please report this line";
const directly =
  "connect to the server itself: notifications, session locks and prepared statements need a session of their own";

export const refusals: readonly Refusal[] = [
  {
    states: ["08"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the connection broke, or a pooler has none",
    remedy: "check that PostgreSQL runs and what is between here and there; see its log",
    variants: [
      { words: /startup parameter/, code: "DATABASE_POOLER", remedy: directly },
      {
        words: /no such user|password/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy: "correct user and password in database.url",
      },
      { words: /no such database/, code: "DATABASE_NOT_FOUND", remedy: "correct the name in database.url" },
    ],
  },
  {
    states: ["0A"],
    code: "DATABASE_POOLER",
    meaning: "what answers lacks a feature of PostgreSQL, as poolers do and services that speak its protocol",
    remedy: "connect to PostgreSQL itself, version 14 or newer",
  },
  {
    states: ["26", "42P05"],
    code: "DATABASE_POOLER",
    meaning: "prepared statements disappear or meet others: a pooler shares sessions",
    remedy: directly,
  },
  {
    states: ["25006"],
    code: "DATABASE_READ_ONLY",
    meaning: "the server is a standby, or takes no writes by default_transaction_read_only",
    remedy: "name the primary in database.url, or let it take writes",
  },
  {
    states: ["25P03", "25P04", "57P05"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the server ended a session that took too long",
    remedy:
      "set the server's idle and transaction timeouts above the agent's needs (30 s for the role), or to 0",
  },
  {
    states: ["28"],
    code: "DATABASE_LOGIN_REFUSED",
    meaning: "user, password, client address or certificate are refused",
    remedy: "correct user and password in database.url",
    variants: [
      {
        words: /no encryption/,
        remedy: "let the server's pg_hba.conf accept this client, or connect with TLS: set database.tls",
      },
      { words: /pg_hba\.conf/, remedy: "let the server's pg_hba.conf accept this user from this address" },
      {
        words: /not permitted to log in/,
        remedy: "name another role in database.url, or alter role … login",
      },
      {
        words: /certificate/,
        remedy: "set database.tls.cert and database.tls.key to a certificate whose common name is the role",
      },
    ],
  },
  {
    states: ["3D000", "57P04"],
    code: "DATABASE_NOT_FOUND",
    meaning: "the server has no such database, or it was dropped",
    remedy: "create the database, or correct its name in database.url",
  },
  {
    states: ["3F", "42P01", "42703", "42704", "42883"],
    code: "DATABASE_INCOMPLETE",
    meaning: "a schema, table, column, type or function of the migrations is missing",
    remedy:
      "run attune-sensor-agent migrate; if it has nothing to apply, somebody changed the schema: restore it from a backup",
    variants: [
      {
        words: /configuration parameter/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy: "correct the settings in the options of database.url",
      },
    ],
  },
  {
    states: ["42501"],
    code: "DATABASE_RIGHTS_MISSING",
    meaning: "the role lacks a right",
    remedy:
      'grant the role what "attune-sensor-agent migrate --print-grants" prints, or let it own the schema, see docs/database.md',
    variants: [
      {
        words: /for database/,
        remedy: "grant connect and create on that database to the role; see docs/database.md",
      },
    ],
  },
  {
    states: ["53300"],
    code: "DATABASE_EXHAUSTED",
    meaning: "no connection is free",
    remedy: "raise the server's max_connections, or lower database.max_connections of the agents",
    variants: [
      {
        words: /for role/,
        remedy: "raise the role's limit (alter role … connection limit), or lower database.max_connections",
      },
      {
        words: /for database/,
        remedy:
          "raise the database's limit (alter database … connection limit), or lower database.max_connections",
      },
    ],
  },
  {
    states: ["53"],
    code: "DATABASE_EXHAUSTED",
    meaning: "the server's disk or memory is full, or a configured limit is reached",
    remedy: "make room on the server; see its log",
  },
  {
    states: ["57014"],
    code: "DATABASE_UNREACHABLE",
    meaning: "a statement was cancelled: it took too long, or somebody cancelled it",
    remedy: "look at the load and the locks of the server (pg_stat_activity), and start again",
  },
  {
    states: ["57", "58"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the server starts, stops, crashed, or its system failed",
    remedy: "look into the server's log; start again once it accepts connections",
  },
  {
    states: ["40", "55"],
    code: "DATABASE_REFUSED",
    meaning: "another transaction, or the state of an object, is in the way",
    remedy: "try again; if it goes on, look at the server's locks (pg_stat_activity)",
    variants: [
      {
        words: /not currently accepting connections/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy: "let the database accept connections: alter database … allow_connections true",
      },
    ],
  },
  {
    states: ["XX001", "XX002", "58030", "58P01"],
    code: "DATABASE_DAMAGED",
    meaning: "data, an index or a file is damaged, or the disk fails",
    remedy: "check the server's disk and log, and restore a backup",
  },
  {
    states: ["XX", "F0", "HV", "P0"],
    code: "DATABASE_REFUSED",
    meaning: "the server itself, or something added to it, failed",
    remedy: "look into the server's log",
  },
  {
    states: ["22023"],
    code: "DATABASE_REFUSED",
    meaning: "a setting has a value that the server does not take",
    remedy: report,
    variants: [
      {
        words: /for parameter/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy: "correct the settings in the options of database.url",
      },
    ],
  },
];

/** Every other state. */
export const otherRefusal: Refusal = {
  states: [],
  code: "DATABASE_REFUSED",
  meaning: "a statement or a value was refused",
  remedy: report,
};

/** The entry for a state, and what it says of these words of the server. */
export function refusalOf(state: string, words: string): Pick<Refusal, "code" | "remedy"> {
  const refusal = entryOf(state) ?? entryOf(state.slice(0, 2)) ?? otherRefusal;
  const variant = refusal.variants?.find((each) => each.words.test(words));
  return { code: variant?.code ?? refusal.code, remedy: variant?.remedy ?? refusal.remedy };
}

function entryOf(stateOrClass: string): Refusal | undefined {
  return refusals.find(({ states }) => states.includes(stateOrClass));
}
