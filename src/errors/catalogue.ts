/**
 * Every failure that can reach a person, by code. docs/errors.md lists the same codes with what to do;
 * a test compares the two.
 */
export const errorCatalogue = {
  CONFIG_INVALID: "the configuration has problems; each is listed with its path",
  CONFIG_UNREADABLE: "the configuration file cannot be read or is not YAML",
  DATABASE_UNREACHABLE: "the database does not answer or refuses the login",
  DATABASE_OUTDATED: "the database lacks migrations that this version needs",
  MIGRATION_FAILED: "a migration could not be applied",
  BROKER_UNREACHABLE: "the message broker does not answer or refuses the login",
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
