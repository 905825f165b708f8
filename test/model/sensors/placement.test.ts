import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { valid } from "../../../src/model/json/decoded.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import {
  incapacity,
  place,
  type PlaceableSensor,
  type PlacementWorker,
} from "../../../src/model/sensors/placement.ts";
import { placementRemedy } from "../../../src/model/sensors/placement-remedy.ts";
import { builtinKinds } from "../../../src/model/sensors/sensor-kind.ts";
import { placeByComparingAll } from "./placement-oracle.ts";
import { anyWorker, decodeWorkerSelector } from "../../../src/model/sensors/worker-selector.ts";

const python: PlaceableSensor = {
  id: "1",
  ref: "demo.sensor",
  runtimeName: "python",
  runtimeRef: "core.sensor.python",
  protocol: "stream",
  entrypoint: "watch.py",
  versionConstraint: null,
  selector: valid(anyWorker),
  holderId: null,
};
const roomy: PlacementWorker = {
  id: "1",
  name: "w1",
  runtimes: new Set(["python", "shell"]),
  runtimeVersions: new Map([["python", "3.9.2"]]),
  labels: new Map(),
  sensorCountMax: 10,
};

describe("placement", () => {
  test("a sensor goes to the least loaded worker that offers its runtime", () => {
    const held = { ...python, id: "7", holderId: "1" };

    const { chosen } = place([python, held], [roomy, { ...roomy, id: "2", name: "w2" }]);

    expect([...chosen]).toEqual([["1", "2"]]);
  });

  test("equally loaded workers are taken in order of size, then of age", () => {
    const larger = { ...roomy, id: "9", sensorCountMax: 20 };
    const younger = { ...roomy, id: "10" };

    expect(place([python], [younger, roomy, larger]).chosen.get("1")).toBe("9");
    expect(place([python], [younger, roomy]).chosen.get("1")).toBe("1");
  });

  test.each([
    [{ runtimeName: null }, [roomy], ["runtime core.sensor.python does not exist"]],
    [{ protocol: "telepathy" }, [roomy], ["protocol telepathy is not supported by this version"]],
    [{ runtimeName: "builtin" }, [roomy], ['"watch.py" is no built-in sensor of this version']],
    [{}, [], ["no sensor worker is alive"]],
    [{ runtimeName: "ruby" }, [roomy], ["worker w1 does not offer the runtime ruby"]],
    [{ versionConstraint: ">=3.11" }, [roomy], ["worker w1 offers python 3.9.2, the sensor needs >=3.11"]],
    [
      { selector: decodeWorkerSelector({ worker: "w2" }) },
      [roomy],
      ["worker w1 is not w2, which the sensor's placement selects"],
    ],
    [
      { selector: decodeWorkerSelector({ labels: { zone: "a" } }) },
      [roomy],
      ["worker w1 does not have the label zone=a, which the sensor's placement selects"],
    ],
    [
      { selector: decodeWorkerSelector({ worker: 2 }) },
      [roomy],
      ["its placement is not understood: worker must be the name of a worker, not 2"],
    ],
    [{}, [{ ...roomy, sensorCountMax: 0 }], ["worker w1 is full (0 of 0 sensors)"]],
  ])("a sensor that cannot be placed has a reason: %j", (change, workers, reasons) => {
    const { unplaced } = place([{ ...python, ...change }], workers);

    expect(unplaced.get("1")).toEqual(reasons);
  });

  test.each([
    [{ worker: "w2" }, "2"],
    [{ labels: { zone: "b" } }, "3"],
    [{ worker: "w3", labels: { zone: "b", disk: "fast" } }, "3"],
    [{ rack: "ignored" }, "1"],
  ])("a sensor runs on the worker that its placement selects: %j", (placement, workerId) => {
    const workers = [
      roomy,
      { ...roomy, id: "2", name: "w2" },
      { ...roomy, id: "3", name: "w3", labels: new Map(Object.entries({ zone: "b", disk: "fast" })) },
    ];

    const { chosen } = place([{ ...python, selector: decodeWorkerSelector(placement) }], workers);

    expect(chosen.get("1")).toBe(workerId);
  });

  // Each names what to change first: without a selected worker, its runtimes do not matter.
  test.each([
    [{ runtimeName: null }, [roomy], "load the pack that defines the runtime"],
    [{ protocol: "telepathy" }, [roomy], "correct its definition"],
    [{}, [], "start an agent"],
    [{ selector: decodeWorkerSelector({ worker: 2 }) }, [roomy], "correct its placement"],
    [
      { runtimeName: "ruby", selector: decodeWorkerSelector({ worker: "w2" }) },
      [roomy],
      "start a worker that its placement selects",
    ],
    [{ runtimeName: "ruby" }, [roomy], "install ruby"],
    [
      { runtimeName: "native" },
      [roomy],
      "to allow executables on a worker, name native in its ATTUNE_SENSOR_RUNTIMES",
    ],
    [{ versionConstraint: ">=3.11" }, [roomy], "start a worker with such a version"],
    [{}, [{ ...roomy, sensorCountMax: 0 }], "start another worker that offers its runtime, or raise"],
  ])("a sensor that cannot be placed has a remedy: %j", (change, workers, remedy) => {
    expect(placementRemedy({ ...python, ...change }, workers)).toMatch(new RegExp(`^${remedy}`));
  });

  test("a worker that no longer has the sensor's label cannot run it", () => {
    const selector = decodeWorkerSelector({ labels: { zone: "b" } });

    expect(incapacity({ ...python, selector, holderId: "1" }, roomy)?.clause).toContain("zone=b");
  });

  // Goal: whatever the rows say, placement keeps its promises.
  // Method: let the machine choose sensors and workers, and hold the result against each promise.
  test("every waiting sensor is placed within the rules or has a reason, and the order of rows does not matter", () => {
    const runtimes = fc.uniqueArray(fc.constantFrom("python", "ruby", "shell"));
    const workers = fc.uniqueArray(
      fc.record({ id: fc.integer({ min: 1, max: 12 }), runtimes, sensorCountMax: fc.nat(4) }),
      { selector: ({ id }) => id, maxLength: 5 },
    );
    const sensors = fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 1, max: 120 }),
        runtimeName: fc.constantFrom("python", "ruby", "shell", null),
        holder: fc.option(fc.integer({ min: 1, max: 12 })),
      }),
      { selector: ({ id }) => id, maxLength: 25 },
    );

    fc.assert(
      fc.property(sensors, workers, fc.nat(), (sensorRows, workerRows, seed) => {
        const theWorkers = workerRows.map((row): PlacementWorker => ({
          ...roomy,
          id: `${row.id}`,
          name: `w${row.id}`,
          runtimes: new Set(row.runtimes),
          sensorCountMax: row.sensorCountMax,
        }));
        const theSensors = sensorRows.map(({ id, runtimeName, holder }): PlaceableSensor => ({
          ...python,
          id: `${id}`,
          runtimeName,
          holderId: holder === null ? null : `${holder}`,
        }));

        const placement = place(theSensors, theWorkers);

        for (const sensor of theSensors) {
          const isDecided = placement.chosen.has(sensor.id) || placement.unplaced.has(sensor.id);
          expect(isDecided).toBe(sensor.holderId === null);
          expect(placement.unplaced.get(sensor.id)).not.toEqual([]);
        }
        for (const worker of theWorkers) {
          const before = theSensors.filter(({ holderId }) => holderId === worker.id).length;
          const given = theSensors.filter(({ id }) => placement.chosen.get(id) === worker.id);
          expect(before + given.length).toBeLessThanOrEqual(Math.max(before, worker.sensorCountMax));
          expect(given.map((sensor) => incapacity(sensor, worker))).toEqual(given.map(() => undefined));
        }
        const shuffled = theSensors.toSorted(
          (a, b) => ((Number(a.id) * seed) % 7) - ((Number(b.id) * seed) % 7),
        );
        expect(place(shuffled, theWorkers.toReversed()).chosen).toEqual(placement.chosen);
      }),
    );
  });

  // Goal: what makes it fast changes nothing.
  // Method: compare every choice and every sentence with those of the version that compares every sensor with every worker.
  test("sensors that share requirements are placed as if each were compared with every worker", () => {
    const version = fc.constantFrom("3.9.2", "3.12.0", null);
    const workers = fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 1, max: 9 }),
        runtimes: fc.subarray(["python", "ruby", "builtin"]),
        version,
        zone: fc.constantFrom("a", "b", null),
        sensorCountMax: fc.nat(4),
      }),
      { selector: ({ id }) => id, minLength: 1, maxLength: 8 },
    );
    const sensors = fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 1, max: 400 }),
        runtimeName: fc.constantFrom("python", "python", "python", "ruby", "builtin", null),
        runtimeRef: fc.constantFrom("core.sensor.python", "core.sensor.python", "core.sensor.builtin"),
        entrypoint: fc.constantFrom("watch.py", ...builtinKinds.keys()),
        versionConstraint: fc.constantFrom(null, null, ">=3.11", "nonsense"),
        placement: fc.constantFrom<object>(
          {},
          {},
          { worker: "w7" },
          { labels: { zone: "a" } },
          { labels: { zone: "b", disk: "fast" } },
          { worker: 3 },
        ),
        holder: fc.constantFrom(null, null, null, null, 1, 2, 7),
      }),
      { selector: ({ id }) => id, minLength: 5, maxLength: 40 },
    );

    fc.assert(
      fc.property(sensors, workers, (sensorRows, workerRows) => {
        const theWorkers = workerRows.map((row): PlacementWorker => ({
          id: `${row.id}`,
          name: `w${row.id}`,
          runtimes: new Set(row.runtimes),
          runtimeVersions: new Map(row.version === null ? [] : [["python", row.version]]),
          labels: new Map(row.zone === null ? [] : [["zone", row.zone]]),
          sensorCountMax: row.sensorCountMax,
        }));
        const theSensors = sensorRows.map((row): PlaceableSensor => ({
          ...python,
          id: `${row.id}`,
          runtimeName: row.runtimeName,
          runtimeRef: row.runtimeRef,
          entrypoint: row.entrypoint,
          versionConstraint: row.versionConstraint,
          selector: decodeWorkerSelector(structuredClone(row.placement) as JsonObject),
          holderId: row.holder === null ? null : `${row.holder}`,
        }));

        expect(place(theSensors, theWorkers)).toEqual(placeByComparingAll(theSensors, theWorkers));
      }),
      { numRuns: 500 },
    );
  });

  // Goal: a sensor that a large fleet cannot run has a short reason, which does not change whenever a worker begins or ends.
  test("of hundreds of workers a few are named for each reason, whether there is one more or not", () => {
    const fleet = Array.from({ length: 200 }, (_, n): PlacementWorker => ({
      ...roomy,
      id: `${n + 1}`,
      name: `w${n + 1}`,
      runtimes: new Set(n % 2 === 0 ? ["ruby"] : ["python"]),
      sensorCountMax: n % 2,
    }));
    const held = fleet.map(({ id }, n): PlaceableSensor => ({ ...python, id: `${n + 2}`, holderId: id }));
    const reasons = (workers: readonly PlacementWorker[]) =>
      place([python, ...held], workers).unplaced.get("1");

    expect(reasons(fleet)).toEqual([
      "worker w1 does not offer the runtime python",
      "worker w2 is full (1 of 1 sensors)",
      "worker w3 does not offer the runtime python",
      "worker w4 is full (1 of 1 sensors)",
      "worker w5 does not offer the runtime python",
      "worker w6 is full (1 of 1 sensors)",
      "other workers cannot run it for the same reasons",
    ]);
    expect(reasons(fleet.slice(0, 199))).toEqual(reasons(fleet));
  });

  test("twenty thousand sensors are placed on two hundred workers without comparing each with each", () => {
    let comparisons = 0;
    const workers = Array.from({ length: 200 }, (_, n): PlacementWorker => ({
      ...roomy,
      id: `${n + 1}`,
      name: `w${n + 1}`,
      sensorCountMax: 100,
      get runtimes() {
        comparisons += 1;
        return roomy.runtimes;
      },
    }));
    const sensors = Array.from({ length: 20_000 }, (_, n): PlaceableSensor => ({
      ...python,
      id: `${n + 1}`,
    }));

    const { chosen } = place(sensors, workers);

    expect(chosen.size).toBe(20_000);
    expect(new Set(chosen.values()).size).toBe(200);
    expect(comparisons).toBeLessThanOrEqual(200);
  });
});
