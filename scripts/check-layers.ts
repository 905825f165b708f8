/** Fails if a module of src has an import that docs/architecture.md forbids. */
import { layerViolations } from "./layers/layer-violations.ts";
import { readModules } from "./layers/read-modules.ts";
import { repositoryRoot } from "./repository.ts";

const modules = readModules(repositoryRoot);
const violations = layerViolations(modules);

for (const { path, line, complaint } of violations)
  process.stderr.write(`src/${path}:${line} ${complaint}\n`);
process.stdout.write(`${modules.length} modules, ${violations.length} violations of the layer rules\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
