import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { timerProblems } from "../../../src/model/schedules/timer-plan.ts";
import { repositoryRoot } from "../../../scripts/repository.ts";

test.each(["intervaltimer", "timer", "crontimer", "datetimetimer", "rruletimer"])(
  "the params that core.%s describes are those that it reads",
  async (name) => {
    const file = await readFile(join(repositoryRoot, "packs/core/triggers", `${name}.yaml`), "utf8");
    const described = Object.keys(parse(file).param_schema.properties);

    const unknown = (params: readonly string[]) =>
      timerProblems(`core.${name}`, Object.fromEntries(params.map((each) => [each, 0])))
        .filter(({ reason }) => reason.includes("is not a param"))
        .map(({ place }) => place.join("."));
    const documentation = await readFile(join(repositoryRoot, "docs/timers.md"), "utf8");
    expect(described.filter((param) => !documentation.includes(`\`${param}\``))).toEqual([]);
    expect(unknown(described)).toEqual([]);
    expect(unknown(["no_such_param"])).toEqual(["no_such_param"]);
  },
);
