/** Installs what a test run needs, if possible; otherwise prints what is missing, and the tests will fail. */
import { requireInstalled } from "../services/debian-packages.ts";
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
  for (const requirement of requirements) {
    await requireInstalled(requirement).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }
}
