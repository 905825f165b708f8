import { expect, test } from "vitest";
import { DamagedDatabase, explainEngineFailure } from "../../../src/database/embedded/engine-failure.ts";

test.each([
  [{ errno: 51 }, "ENOSPC: no space left on device"],
  [{ errno: 4711 }, "its file system answers with the error 4711 of WASI"],
  [new Error("EACCES: permission denied"), "EACCES: permission denied"],
  ["odd", "odd"],
  // The server says so when it writes its first file on a full disk.
  [
    new DamagedDatabase("could not write: No space left on device"),
    "could not write: No space left on device",
  ],
])("%j is reported as %j, without blaming the folder", (cause, reason) => {
  expect(explainEngineFailure(cause, "/data/postgresql")).toMatchObject({
    code: "DATABASE_UNREACHABLE",
    reason,
  });
});

test("files that the server does not start on are damaged, and what is there is not touched", () => {
  expect(explainEngineFailure(new DamagedDatabase("invalid page"), "/data/postgresql")).toEqual({
    code: "DATABASE_DAMAGED",
    reason: "invalid page",
    remedy:
      "put a copy in the place of /data/postgresql, or move it away to begin with an empty database; or set database.url",
  });
});
