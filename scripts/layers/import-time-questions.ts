/**
 * Finds what a module asks of the machine while it is imported: whether a file exists, or what a program answers.
 *
 * Scripts and tests install what they need as they run, so such an answer may be wrong by the time it is used. What is
 * asked in a function is asked when it is called; a call of that function at the module's top level is found, too.
 */
import { type CallExpression, type IfStatement, parseSync, Visitor } from "oxc-parser";

export interface ImportTimeQuestion {
  readonly line: number;
  /** The function that asks, or that leads to it. */
  readonly call: string;
}

const questions: ReadonlySet<string> = new Set(
  (
    "access accessSync existsSync lstat lstatSync readlink readlinkSync realpath realpathSync stat statSync " +
    "execFile execFileSync execSync spawn spawnSync"
  ).split(" "),
);

/** What is given to these runs after the import; what is given to any other function may run at once. */
const deferring: ReadonlySet<string> = new Set("test it beforeAll beforeEach afterAll afterEach".split(" "));

interface Call {
  readonly name: string;
  readonly offset: number;
}

/** A function and the calls in it; the module itself is the outermost. */
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
  /** Where functions begin that run at once, and those that have a name, which is it. */
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
    // What runs only when the module is the program counts as a function of its own.
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
