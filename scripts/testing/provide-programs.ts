/** Installs what a run of tests needs, where that is possible; else says what is missing, and leaves the tests to fail. */
import { requireInstalled } from "../services/debian-packages.ts";
import { containers, deployment, usual } from "./requirements.ts";

export interface Extent {
  /** All tests rather than some: those that are run alone ask for what only they need. */
  readonly isWhole: boolean;
  readonly hasContainers: boolean;
}

export async function providePrograms({ isWhole, hasContainers }: Extent): Promise<void> {
  const requirements = [
    ...usual,
    ...(isWhole ? deployment : []),
    ...(isWhole && hasContainers ? containers : []),
  ];
  for (const requirement of requirements) {
    await requireInstalled(requirement).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }
}
