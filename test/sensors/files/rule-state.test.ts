import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RuleState, type RecordedChange } from "../../../src/sensors/files/rule-state.ts";

const position = { inode: 1, birthMs: 1, offset: 2, round: 0, mark: "m" };

function stateFolder() {
  const folder = mkdtempSync(join(tmpdir(), "attune-state-"));
  return {
    file: join(folder, "rule_1.jsonl"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

// Goal: a kill between a rewrite and the record that waits for it loses no event.
test("lines that are read while the state is rewritten are in it, if their position is", async () => {
  using folder = stateFolder();
  const read: RecordedChange = {
    number: 0,
    facts: [],
    events: [{ payload: { line: "1" }, dedupKey: "key" }],
    positions: [["/base/a", position]],
  };
  const unsettled: RecordedChange[] = [];
  function* positionsMeanwhile() {
    unsettled.push(read);
    yield ["/base/a", position] as const;
  }

  await new RuleState(folder.file, "/base").rewrite(
    () => [],
    positionsMeanwhile,
    () => unsettled,
  );

  expect(await new RuleState(folder.file, "/base").load()).toMatchObject({
    positions: [["/base/a", position]],
    unsettled: [read],
  });
});

test("a file has one position, at the path where it was seen last", async () => {
  using folder = stateFolder();
  const state = new RuleState(folder.file, "/base");
  const other = { ...position, inode: 2 };
  const further = { ...position, offset: 4 };
  await state.rewrite(
    () => [],
    () => [
      ["/base/a", position],
      ["/base/b", other],
    ],
    () => [],
  );
  await state.record([{ number: 0, facts: [], events: [], positions: [["/base/b", further]] }]);

  expect((await new RuleState(folder.file, "/base").load())?.positions).toEqual([
    ["/base/b", other],
    ["/base/b", further],
  ]);
});
