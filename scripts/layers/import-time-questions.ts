/**
 * Finds calls that inspect the machine while a module is imported, such as checking for a file or running a program.
 *
 * Scripts and tests install what they need as they run, so such an answer may be outdated when it is used. Calls inside
 * functions are fine, unless the function is called at the module's top level.
 */
import { type CallExpression, type IfStatement, parseSync, Visitor } from "oxc-parser";

export interface ImportTimeQuestion {
  readonly line: number;
  /** The function that inspects the machine, or that calls one that does. */
  readonly call: string;
}

const questions: ReadonlySet<string> = new Set(
  (
    "access accessSync existsSync lstat lstatSync readlink readlinkSync realpath realpathSync stat statSync " +
    "execFile execFileSync execSync spawn spawnSync"
  ).split(" "),
);

/** Functions passed to these run after the import; functions passed to others may run at once. */
const deferring: ReadonlySet<string> = new Set("test it beforeAll beforeEach afterAll afterEach".split(" "));

interface Call {
  readonly name: string;
  readonly offset: number;
}

/** A function, or the module itself, with the calls in it. */
interface Frame {
  readonly name: string | undefined;
  readonly calls: Call[];
}

export function importTimeQuestions(file: string, text: string): ImportTimeQuestion[] {
  const [module, ...functions] = framesOf(file, text);
  const asking = new Set(questions);
  for (let known = 0; known < asking.size;) {
    known = asking.size;
    for (const { name, calls } of functions) {
      if (name !== undefined && calls.some((call) => asking.has(call.name))) asking.add(name);
    }
  }
  return (module?.calls ?? [])
    .filter(({ name }) => asking.has(name))
    .map(({ name, offset }) => ({ line: text.slice(0, offset).split("\n").length, call: name }));
}

function framesOf(file: string, text: string): Frame[] {
  const { program, errors } = parseSync(file, text, { preserveParens: false });
  const [error] = errors;
  if (error !== undefined) throw new Error(`could not parse ${file}: ${error.message}`);

  const module: Frame = { name: undefined, calls: [] };
  const frames = [module];
  const stack = [module];
  /** Offsets of functions that run at once, and names of named functions by offset. */
  const immediate = new Set<number>();
  const names = new Map<number, string>();
  const enter = ({ start }: { readonly start: number }, name = names.get(start)): void => {
    const frame = immediate.has(start) ? (stack.at(-1) ?? module) : { name, calls: [] };
    if (!frames.includes(frame)) frames.push(frame);
    stack.push(frame);
  };
  const leave = (): void => {
    stack.pop();
  };
  new Visitor({
    VariableDeclarator({ id, init }) {
      if (id.type === "Identifier" && init !== null) names.set(init.start, id.name);
    },
    CallExpression(call) {
      const name = nameOf(call.callee);
      stack.at(-1)?.calls.push({ name, offset: call.start });
      if (!deferring.has(rootOf(call.callee))) {
        for (const { start } of [call.callee, ...call.arguments]) immediate.add(start);
      }
    },
    // Code that runs only if the module is the main program counts as a function.
    IfStatement: (node) => {
      if (isMain(node)) enter(node);
    },
    "IfStatement:exit": (node) => {
      if (isMain(node)) leave();
    },
    FunctionDeclaration: (node) => enter(node, node.id?.name),
    "FunctionDeclaration:exit": leave,
    FunctionExpression: (node) => enter(node),
    "FunctionExpression:exit": leave,
    ArrowFunctionExpression: (node) => enter(node),
    "ArrowFunctionExpression:exit": leave,
  }).visit(program);
  return frames;
}

/** `if (import.meta.main)` */
function isMain({ test }: IfStatement): boolean {
  return test.type === "MemberExpression" && test.object.type === "MetaProperty";
}

/** `f` of `f()` and of `x.f()`. */
function nameOf(callee: CallExpression["callee"]): string {
  if (callee.type === "Identifier") return callee.name;
  return callee.type === "MemberExpression" && callee.property.type === "Identifier"
    ? callee.property.name
    : "";
}

/** `f` of `f()`, `f.x()` and `f.x(y)()`. */
function rootOf(callee: CallExpression["callee"]): string {
  if (callee.type === "Identifier") return callee.name;
  if (callee.type === "MemberExpression") return rootOf(callee.object);
  return callee.type === "CallExpression" ? rootOf(callee.callee) : "";
}
