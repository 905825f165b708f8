/**
 * All failures that users can see, by code. docs/errors.md lists the same codes with remedies; a test
 * compares the two.
 */
export const errorCatalogue = {
  CONFIG_INVALID: "the configuration has problems; each is listed with its path",
  CONFIG_UNREADABLE: "the configuration file cannot be read or is not YAML",
  WORKING_DIRECTORY_GONE: "the directory that the agent was started in does not exist any more",
  DATABASE_UNREACHABLE: "the database does not answer, or cannot be opened",
  DATABASE_LOGIN_REFUSED: "the database refuses the user, the password or this machine",
  DATABASE_NOT_FOUND: "the server has no database of that name",
  DATABASE_OUTDATED: "the server's PostgreSQL is older than version 14",
  DATABASE_READ_ONLY: "the database takes no writes",
  DATABASE_RIGHTS_MISSING: "the database role lacks a right",
  DATABASE_EXHAUSTED: "the database server has no connections, disk or memory left",
  DATABASE_POOLER: "a pooler or another service stands in for PostgreSQL, and lacks what the agent needs",
  DATABASE_FOREIGN: "the schema holds another program's tables under names of the agent's",
  DATABASE_INCOMPLETE: "tables that the migrations made are missing or changed",
  DATABASE_DAMAGED: "the database's files are damaged, or of another version",
  DATABASE_REFUSED: "the database refused a statement",
  MIGRATION_FAILED: "a migration could not be applied",
  BROKER_UNREACHABLE: "the message broker does not answer",
  BROKER_LOGIN_REFUSED: "the message broker refuses the user, the password or this machine",
  BROKER_VHOST_REFUSED: "the virtual host does not exist, or is not this user's",
  BROKER_RIGHTS_MISSING: "the broker's user lacks a right in the virtual host",
  BROKER_CONFLICT: "an exchange or a queue exists with other properties, or is in use",
  BROKER_REFUSED: "the message broker refused an operation",
  TLS_FAILED: "no trusted TLS connection to the database or the broker came about",
  WORKER_NAME_TAKEN: "another live process is registered under this worker name",
  WORKER_SUPERSEDED: "this worker's name is another's now, or the database was set back",
  DATA_DIRECTORY_IN_USE: "another process uses this data directory",
  PACK_INVALID: "a pack has problems; each is listed with file, line and field",
  PORT_IN_USE: "the HTTP address cannot be bound",
  INSTALL_FAILED: "the executable could not be copied into that folder",
  INSTALL_NOEXEC: "programs in that folder may not be run",
  INSTALL_WRONG_MACHINE: "the executable is for another kind of machine",
  INSTALL_NOT_EXECUTABLE: "the copied executable was started there and failed",
  OUTPUT_FAILED: "a report could not be written to standard output",
} as const;

export type ErrorCode = keyof typeof errorCatalogue;
