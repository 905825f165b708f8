/**
 * What PostgreSQL's errors mean for an operator, by SQLSTATE. docs/errors.md shows the same table; a test compares
 * the two. A five-character state takes precedence over its two-character class. The classes are listed in
 * https://www.postgresql.org/docs/current/errcodes-appendix.html.
 */
import type { ErrorCode } from "../errors/catalogue.ts";

export interface Refusal {
  /** States, or classes of states. */
  readonly states: readonly string[];
  readonly code: ErrorCode;
  /** What the server's message is about. */
  readonly meaning: string;
  readonly remedy: string;
  /** Cases that only the server's message distinguishes. */
  readonly variants?: readonly {
    readonly words: RegExp;
    readonly code?: ErrorCode;
    readonly remedy: string;
  }[];
}

const report = "this is a bug in the agent, unless the tables were changed by hand; please report this line";
const directly =
  "connect directly to the server: notifications, session locks and prepared statements need a dedicated session";

export const refusals: readonly Refusal[] = [
  {
    states: ["08"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the connection broke, or a pooler has no free connection",
    remedy: "check that PostgreSQL is running, its log, and the network in between",
    variants: [
      { words: /startup parameter/, code: "DATABASE_POOLER", remedy: directly },
      {
        words: /no such user|password/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy: "correct the user and password in database.url",
      },
      { words: /no such database/, code: "DATABASE_NOT_FOUND", remedy: "correct the name in database.url" },
    ],
  },
  {
    states: ["0A"],
    code: "DATABASE_POOLER",
    meaning:
      "the service lacks a feature of PostgreSQL; it may be a pooler or another service that speaks its protocol",
    remedy: "connect directly to PostgreSQL, version 14 or newer",
  },
  {
    states: ["26", "42P05"],
    code: "DATABASE_POOLER",
    meaning: "prepared statements disappear or clash, because a pooler shares sessions",
    remedy: directly,
  },
  {
    states: ["25006"],
    code: "DATABASE_READ_ONLY",
    meaning: "the server is a standby, or default_transaction_read_only is on",
    remedy: "name the primary in database.url, or allow writes",
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
    meaning: "the user, password, client address or certificate is refused",
    remedy: "correct the user and password in database.url",
    variants: [
      {
        words: /no encryption/,
        remedy: "allow this client in the server's pg_hba.conf, or connect with TLS: set database.tls",
      },
      { words: /pg_hba\.conf/, remedy: "allow this user from this address in the server's pg_hba.conf" },
      {
        words: /not permitted to log in/,
        remedy: "name another role in database.url, or run alter role … login",
      },
      {
        words: /^role .* does not exist/,
        remedy: "create the role, or correct the user in database.url",
      },
      {
        words: /^(Peer|Ident) authentication/i,
        remedy:
          "run the agent as the system user of that role, or let the server's pg_hba.conf ask for a password (scram-sha-256)",
      },
      {
        words: /^(GSSAPI|SSPI|PAM|LDAP|RADIUS|BSD|OAuth)/i,
        remedy:
          "correct the user and password in database.url, or see the server's log for why that service refused them",
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
      "run attune-sensor-agent migrate; if it has nothing to apply, the schema was changed by hand: restore it from a backup",
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
      'grant the role what "attune-sensor-agent migrate --print-grants" prints, or make it the owner of the schema; see docs/database.md',
    variants: [
      {
        words: /for database/,
        remedy: "grant connect and create on that database to the role; see docs/database.md",
      },
      {
        words: /row-level security/,
        remedy:
          "create a policy on the table that shows every row to the role (attune-sensor-agent doctor prints it), or switch its row security off",
      },
      {
        words: /to set parameter/,
        code: "DATABASE_LOGIN_REFUSED",
        remedy:
          "remove that setting from the options of database.url, or grant it: grant set on parameter … to the role",
      },
    ],
  },
  {
    states: ["53300"],
    code: "DATABASE_EXHAUSTED",
    meaning: "the server has no free connection",
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
    states: ["53100"],
    code: "DATABASE_EXHAUSTED",
    meaning: "the server's disk is full",
    remedy: "free space on the server's disk, or enlarge it",
  },
  {
    states: ["53200"],
    code: "DATABASE_EXHAUSTED",
    meaning: "the server has no memory left, or no place for another lock",
    remedy: "free memory on the server, or lower its work_mem or max_connections; see its log",
    variants: [
      { words: /shared memory/, remedy: "raise the server's max_locks_per_transaction, and restart it" },
    ],
  },
  {
    states: ["53400"],
    code: "DATABASE_EXHAUSTED",
    meaning: "a limit in the server's configuration is reached",
    remedy: "raise the limit that the message names in the server's configuration",
  },
  {
    states: ["53"],
    code: "DATABASE_EXHAUSTED",
    meaning: "the server lacks another resource",
    remedy: "see the server's log",
  },
  {
    states: ["57014"],
    code: "DATABASE_UNREACHABLE",
    meaning: "a statement was cancelled by a timeout or by a user",
    remedy: "check the server's load and locks (pg_stat_activity), then try again",
  },
  {
    states: ["57P01"],
    code: "DATABASE_UNREACHABLE",
    meaning: "an administrator ended the session, or the server is stopping",
    remedy: "if nobody restarts the server, see its log for who ended the session (pg_terminate_backend)",
  },
  {
    states: ["57P03"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the server is starting, stopping or recovering, or is a standby that takes no connections",
    remedy: "wait until the server has started; if it does not, see its log",
    variants: [
      {
        words: /is not accepting connections/,
        remedy: "name the primary in database.url: this server is a standby with hot_standby off",
      },
    ],
  },
  {
    states: ["57", "58"],
    code: "DATABASE_UNREACHABLE",
    meaning: "the server crashed or had a system failure",
    remedy: "check the server's log; try again once it accepts connections",
  },
  {
    states: ["55000"],
    code: "DATABASE_CLOSED",
    meaning: "the database accepts no connections, or is what an interrupted drop database left",
    remedy: "allow connections to the database: alter database … allow_connections true",
    variants: [
      {
        words: /invalid database/,
        code: "DATABASE_DAMAGED",
        remedy: "drop the database for good (drop database …), then create it and restore a backup",
      },
    ],
  },
  {
    states: ["55P02"],
    code: "DATABASE_LOGIN_REFUSED",
    meaning: "a setting cannot be changed in a session",
    remedy: "remove that setting from the options of database.url",
  },
  {
    states: ["55P03"],
    code: "DATABASE_REFUSED",
    meaning: "another transaction holds a lock for too long",
    remedy: "try again; if it persists, find who holds the lock (pg_locks, pg_stat_activity)",
  },
  {
    states: ["40", "55"],
    code: "DATABASE_REFUSED",
    meaning: "another transaction or the state of an object prevents it",
    remedy: "try again; if it persists, check the server's locks (pg_stat_activity)",
  },
  {
    states: ["XX001", "XX002", "58030", "58P01"],
    code: "DATABASE_DAMAGED",
    meaning: "data, an index or a file is damaged, or the disk is failing",
    remedy: "check the server's disk and log, and restore a backup if needed",
  },
  {
    states: ["XX", "F0", "HV", "P0"],
    code: "DATABASE_REFUSED",
    meaning: "the server itself or an extension failed",
    remedy: "check the server's log",
  },
  {
    states: ["22023"],
    code: "DATABASE_REFUSED",
    meaning: "the server does not accept the value of a setting",
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

/** The entry for a state, with the variant that matches the server's message. */
export function refusalOf(state: string, words: string): Pick<Refusal, "code" | "remedy"> {
  const refusal = entryOf(state) ?? entryOf(state.slice(0, 2)) ?? otherRefusal;
  const variant = refusal.variants?.find((each) => each.words.test(words));
  return { code: variant?.code ?? refusal.code, remedy: variant?.remedy ?? refusal.remedy };
}

function entryOf(stateOrClass: string): Refusal | undefined {
  return refusals.find(({ states }) => states.includes(stateOrClass));
}
