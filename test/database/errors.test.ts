import fc from "fast-check";
import { expect, test } from "vitest";
import {
  classifyDatabaseError,
  ConnectionError,
  endsConnection,
  sqlState,
} from "../../src/database/errors.ts";

test.each([
  { code: "40001", kind: "conflict" },
  { code: "40P01", kind: "conflict" },
  { code: "55P03", kind: "conflict" },
  { code: "57P03", kind: "unavailable" },
  { code: "55000", kind: "unavailable" },
  { code: "57014", kind: "unavailable" },
  { code: "53300", kind: "unavailable" },
  { code: "53100", kind: "unavailable" },
  { code: "28P01", kind: "unavailable" },
  { code: "3D000", kind: "unavailable" },
  { code: "25006", kind: "unavailable" },
  { code: "57P05", kind: "unavailable" },
  { code: "25P04", kind: "unavailable" },
  { code: "57P01", kind: "ambiguous" },
  { code: "08006", kind: "ambiguous" },
  { code: "22P05", kind: "rejected-data" },
  { code: "23505", kind: "rejected-data" },
  { code: "21000", kind: "rejected-data" },
  { code: "54000", kind: "rejected-data" },
  { code: "P0001", kind: "rejected-data" },
  { code: "42P01", kind: "defect" },
  { code: "42501", kind: "defect" },
  { code: "XX000", kind: "defect" },
])("SQLSTATE $code is $kind", ({ code, kind }) => {
  expect(classifyDatabaseError(Object.assign(new Error("said the server"), { code }))).toBe(kind);
});

test("a violated check is the row's fault, also that of a trigger, and a missing partition is not", () => {
  const kindOf = (routine: string) =>
    classifyDatabaseError(Object.assign(new Error("said the server"), { code: "23514", routine }));

  expect(kindOf("ExecConstraints")).toBe("rejected-data");
  expect(kindOf("exec_stmt_raise")).toBe("rejected-data");
  expect(kindOf("ExecFindPartition")).toBe("unavailable");
});

test("a session that the server ended for its time is not used again", () => {
  for (const code of ["25P03", "25P04", "57P05"])
    expect(endsConnection(Object.assign(new Error("said the server"), { code }))).toBe(true);
});

test("a failed connection is ambiguous exactly when something may have been done", () => {
  expect(classifyDatabaseError(new ConnectionError("lost", "unknown"))).toBe("ambiguous");
  expect(classifyDatabaseError(new ConnectionError("refused", "nothing-done"))).toBe("unavailable");
});

test("anything may be thrown, and whatever is not a database error is a defect", () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      expect(classifyDatabaseError(thrown)).toBe("defect");
    }),
  );
  for (const code of ["EPIPE", "EPERM", "ECONNREFUSED", "ERR_X", 23505]) {
    expect(sqlState(Object.assign(new Error("said the system"), { code }))).toBeUndefined();
  }
});
