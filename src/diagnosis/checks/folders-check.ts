/** Checks that the agent can write to its configured folders. */
import type { Config } from "../../config/schema.ts";
import { tryToWrite } from "../../files/write-trial.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";

interface WrittenFolder {
  readonly subject: string;
  readonly path: string;
  /** Its place in the configuration. */
  readonly field: string;
  readonly purpose: string;
  /** The effect if it cannot be written. */
  readonly consequence: string;
  /** Whether the agent does its work without it. */
  readonly isOptional?: boolean;
}

export async function checkFolders(config: Config): Promise<readonly Finding[]> {
  return Promise.all(writtenFolders(config).map(folderFinding));
}

function writtenFolders(config: Config): readonly WrittenFolder[] {
  const { database, sensor, api, data_dir, logs_dir, retention } = config;
  const data = { subject: "data", path: data_dir, field: "data_dir" };
  const folders: WrittenFolder[] = [];
  if (database.url === undefined) {
    folders.push({
      ...data,
      purpose: "the embedded database is in",
      consequence: "the agent cannot start without it",
    });
  } else if (sensor.enabled || api.enabled !== false) {
    folders.push({
      ...data,
      purpose: "sensors and local commands keep files in",
      consequence:
        "sensors forget at each restart what they keep there, and commands on this machine need --api and a token",
      isOptional: true,
    });
  }
  if (sensor.enabled && sensor.log_to !== "stderr") {
    folders.push({
      subject: "logs",
      path: logs_dir,
      field: "logs_dir",
      purpose: "are written to",
      consequence: "sensors keep running, but their logs are lost",
    });
  }
  if (retention.archive_dir !== undefined) {
    folders.push({
      subject: "archive",
      path: retention.archive_dir,
      field: "retention.archive_dir",
      purpose: "old events and enforcements are written to",
      consequence: "until an agent can write there, retired partitions are not dropped",
    });
  }
  return folders;
}

async function folderFinding(folder: WrittenFolder): Promise<Finding> {
  const { subject, path, field, purpose, consequence, isOptional = false } = folder;
  const refusal = await tryToWrite(path);
  if (refusal === undefined) return good(subject, `${purpose} ${path}`);
  const { problem, remedy, code } = refusal;
  return (isOptional ? notice : wrong)(subject, problem, {
    remedy: `${remedy}, or set ${field} to another folder; ${consequence}`,
    facts: { code },
  });
}
