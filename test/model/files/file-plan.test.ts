import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { filePlanProblems } from "../../../src/model/files/file-plan.ts";

test.each<[JsonObject, string, string]>([
  [{}, "path", "is required: a folder or file, like /var/inbox"],
  [{ path: "" }, "path", 'must be absolute, like /var/inbox, not ""'],
  [{ path: "inbox" }, "path", 'must be absolute, like /var/inbox, not "inbox"'],
  [{ path: "/srv/../etc" }, "path", 'must not contain . or .. as names: "/srv/../etc"'],
  [{ path: "/srv/in", recursive: "yes" }, "recursive", 'must be true or false, not "yes"'],
  [{ path: "/srv/in", include: [""] }, "include", "must not have an empty pattern; write one like *.csv"],
  [{ path: "/srv/in", include: [5] }, "include", "must have patterns that are text, not 5"],
  [
    { path: "/srv/in", ignore: ["[a"] },
    "ignore",
    "has the pattern [a with an unclosed [; write \\[ for the character",
  ],
  [
    { path: "/srv/in", event_types: [] },
    "event_types",
    "must name at least one of created, modified, deleted, moved",
  ],
  [
    { path: "/srv/in", event_types: ["renamed"] },
    "event_types",
    'must be some of created, modified, deleted, moved, not "renamed"',
  ],
])("%j is refused with what was given and what to write", (params, name, reason) => {
  expect(filePlanProblems("core.file_changed", params)).toEqual([{ place: [name], reason }]);
});
