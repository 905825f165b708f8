import { expect, test } from "vitest";
import { trackedFileComplaints } from "../../scripts/tracked-files/tracked-file-complaints.ts";

const checkout = "/somewhere/attune";
// Put together here, so that this file may itself be tracked.
const registry = ["https:", "", "registry.example.org", ""].join("/");
const home = ["", "home", "ada", "attune", ""].join("/");

test.each([
  ["a registry", "docs/a.md", `see\n<${registry}>`, "docs/a.md:2 names a package registry"],
  ["a home folder", "a.ts", `"${home}x"`, "a.ts:1 names a home folder"],
  ["this checkout", "a.ts", `${checkout}/src`, "a.ts:1 names the folder of this checkout"],
  [
    "a download",
    "package-lock.json",
    `{"resolved": "x"}`,
    "package-lock.json:1 says where a package was downloaded from",
  ],
])("%s in a tracked file is found", (_, path, text, complaint) => {
  expect(trackedFileComplaints({ path, text }, checkout)).toEqual([complaint]);
});

test("a checkout in a folder with a common name does not find itself everywhere", () => {
  expect(trackedFileComplaints({ path: "a.ts", text: "/app/src" }, "/app")).toEqual([]);
});

test("container paths and ordinary addresses are allowed", () => {
  const text = "/opt/attune/agent https://localhost:8080 docker.io/library/postgres";

  expect(trackedFileComplaints({ path: "a.md", text }, checkout)).toEqual([]);
});
