/** Installs what a test run needs, if possible; otherwise prints what is missing, and the tests will fail. */
import { installAll } from "../services/debian-packages.ts";
import { browser, containers, deployment, usual } from "./requirements.ts";

export interface Extent {
  /** Whether all tests run; tests that run alone request what only they need. */
  readonly isWhole: boolean;
  readonly hasContainers: boolean;
}

export async function providePrograms({ isWhole, hasContainers }: Extent): Promise<void> {
  const requirements = [
    ...usual,
    ...(isWhole ? [...deployment, ...browser] : []),
    ...(isWhole && hasContainers ? containers : []),
  ];
  for (const failure of await installAll(requirements)) process.stderr.write(`${String(failure)}\n`);
}
