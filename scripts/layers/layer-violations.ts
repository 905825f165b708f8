import { builtinsOfModel, layers, libraryOwners, type Layer } from "./layer-rules.ts";
import type { SourceImport, SourceModule } from "./source-module.ts";

export interface LayerViolation {
  /** Relative to src. */
  readonly path: string;
  readonly line: number;
  readonly complaint: string;
}

/** Every import that breaks a rule of docs/architecture.md, in the order of the modules. */
export function layerViolations(modules: readonly SourceModule[]): LayerViolation[] {
  return modules.flatMap(({ path, imports }) => {
    const part = partOf(path);
    const layer = layerOf(part);
    if (layer === undefined) return [{ path, line: 1, complaint: `${part} belongs to no layer` }];

    return imports.flatMap((imported) => {
      const complaint = complaintAbout(part, layer, imported);
      return complaint === undefined ? [] : [{ path, line: imported.line, complaint }];
    });
  });
}

function complaintAbout(part: string, layer: Layer, imported: SourceImport): string | undefined {
  switch (imported.kind) {
    case "module":
      return complaintAboutModule(part, layer, imported.path);
    case "library":
      return complaintAboutLibrary(part, layer, imported.name);
    case "outside":
      return imported.path.endsWith(".ts") ? `src may not import ${imported.path}` : undefined;
    case "computed":
      return "a dynamic import must name its module literally, so that its layer is known";
  }
}

function complaintAboutModule(part: string, layer: Layer, path: string): string | undefined {
  const target = partOf(path);
  if (target === part) return undefined;
  if (layer.mayAlsoImport.includes(path) || layer.mayAlsoImport.includes(target)) return undefined;

  const targetLayer = layerOf(target);
  if (targetLayer === undefined) return `imports ${path}, which belongs to no layer`;
  if (targetLayer === layer) {
    return layer.isOpenWithin ? undefined : `${layer.name} may not import each other: ${part} → ${path}`;
  }
  if (layer.mayImport.includes(targetLayer.name)) return undefined;
  return `${layer.name} may not import ${targetLayer.name}: ${part} → ${path}`;
}

function complaintAboutLibrary(part: string, layer: Layer, name: string): string | undefined {
  const owners = libraryOwners[name];
  if (owners !== undefined) {
    return owners.includes(part) ? undefined : `only ${owners.join(" and ")} may import ${name}`;
  }
  if (!name.startsWith("node:")) return `${name} has no owner; name one in scripts/layers/layer-rules.ts`;
  if (layer.name !== "model" || builtinsOfModel.includes(name)) return undefined;
  return `the model is pure and may not import ${name}`;
}

/** A module's folder in src, or the module itself if it is directly in src. */
function partOf(path: string): string {
  return path.split("/")[0] ?? path;
}

function layerOf(part: string): Layer | undefined {
  return layers.find(({ parts }) => parts.includes(part));
}
