import { defineConfig } from "vitest/config";
import { LongFilesFirst } from "./scripts/testing/long-files-first.ts";
import { RetriedTests, retriedTestsFile } from "./scripts/testing/retried-tests.ts";
import { unitTests } from "./scripts/testing/unit-tests.ts";

/** Neither services nor processes, so these take seconds. */
const pure = unitTests(import.meta.dirname);

/** The whole service under load, with its faults: two files at once, since each nearly fills the machine. */
const whole = ["test/service/**/*.test.ts"];

/** Whole agents that mostly wait for each other, so that several of these files run at once. */
const flows = ["test/flows/**/*.test.ts"];

/** The built executable, in containers, which mostly start and wait. */
const built = ["test/agent/container/**/*.test.ts"];

/**
 * On shared machines a test with real servers and processes may miss its limit for want of a processor; it
 * is then tried once more, and what failed at first is reported (scripts/testing/retried-tests.ts). Decisions get no second
 * chance.
 */
const retry = process.env["CI"] === undefined ? 0 : 1;

/** Where `scripts/test` reads how the tests ended; unset in a run by hand. */
const reportFile = process.env["ATTUNE_TEST_REPORT"];

/**
 * Limits only for what hangs: a shared machine may be many times slower than usual, and a test that succeeds does not wait
 * longer for it.
 */
const patient = { retry, hookTimeout: 180_000, expect: { poll: { timeout: 30_000 } } };

export default defineConfig({
  test: {
    reporters:
      reportFile === undefined
        ? ["default"]
        : ["default", ["json", { outputFile: reportFile }], new RetriedTests(retriedTestsFile)],
    sequence: { sequencer: LongFilesFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: pure,
          testTimeout: 60_000,
          expect: patient.expect,
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "parts",
          ...patient,
          include: ["test/**/*.test.ts"],
          exclude: [...pure, ...whole, ...flows, ...built],
          testTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "service",
          ...patient,
          include: whole,
          testTimeout: 180_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "flows",
          ...patient,
          include: flows,
          testTimeout: 180_000,
          maxWorkers: 3,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "agent",
          ...patient,
          include: built,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          globalSetup: "test/agent/container/prepare-engine.ts",
          maxWorkers: 2,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
