/** A rule's file in a pack's folder, as commands take it in place of the ref of a stored rule. */
import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { hasCode } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { ExplainableRule } from "../model/rules/explain-rule.ts";
import { rulesOf } from "../packs/pack-tests.ts";
import { readPacks } from "../packs/read-packs.ts";

/**
 * Whether the text names a file; else it is a ref.
 *
 * @throws OperatorError PACK_INVALID if it can be neither
 */
export function isRuleFile(text: string): boolean {
  if (/\.ya?ml$/.test(text)) return true;
  if (text === "-") throw unreadable("read the rule -", noInputText);
  // Refs have no slashes.
  if (text.includes("/")) throw notARule(text, "it is not a YAML file");
  return false;
}

export const noInputText =
  "standard input is not read, because a rule needs its pack's folder, which completes its refs";

/** Why the file cannot be a rule's, as a clause after its name; undefined: it can. */
export async function ruleFileProblem(file: string): Promise<string | undefined> {
  try {
    if ((await stat(file)).isDirectory()) return "is a folder";
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "does not exist";
    throw error;
  }
  return basename(dirname(resolve(file))) === "rules" ? undefined : noRuleText;
}

export const noRuleText = "is not a rule's file in the folder rules of a pack";

/** @throws OperatorError PACK_INVALID */
export async function ruleInFile(file: string): Promise<ExplainableRule> {
  const problem = await ruleFileProblem(file);
  if (problem !== undefined) throw notARule(file, `it ${problem}`);
  const path = resolve(file);
  const { packs } = await readPacks([join(dirname(file), "..")], "read");
  const inFile = join(basename(dirname(path)), basename(path));
  const refs = packs.flatMap(({ definitions }) =>
    definitions.filter(({ kind, problemAt }) => kind === "rule" && problemAt([], "").file === inFile),
  );
  const rule = rulesOf(packs).find(({ ref }) => ref === refs[0]?.ref);
  if (rule !== undefined) return rule;
  throw notARule(file, `it ${noRuleText}`);
}

function notARule(file: string, reason: string): OperatorError {
  return unreadable(`read the rule in ${file}`, reason);
}

function unreadable(attempt: string, reason: string): OperatorError {
  return new OperatorError({
    code: "PACK_INVALID",
    attempt,
    reason,
    remedy: "name a file like packs/demo/rules/hot.yaml, or the ref of a stored rule",
  });
}
