/** Adds the commands that manage who may use the API: `identity add LOGIN`, `token create --role viewer` and the like. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { ServiceRole } from "../identity/identity-administration.ts";
import type { Invocation } from "./invocation.ts";
import type { Run } from "./resource-commands.ts";

const daySeconds = 86_400;
const ttlSecondsMax = 31_622_400;

const roleOption = (): Option =>
  new Option("--role <role>", "what it may do").choices(["admin", "viewer", "worker"]).makeOptionMandatory();

interface RoleOptions {
  readonly role: ServiceRole;
}

interface TokenOptions extends RoleOptions {
  readonly service?: string;
  readonly ttl: number;
}

export function addIdentityCommands(root: Command, run: Run, invocation: () => Invocation): void {
  const withInput = () => ({ ...invocation(), input: process.stdin });
  const identity = root.command("identity").description("manage the people who may use the API");
  identity
    .command("add")
    .argument("<login>")
    .addOption(roleOption())
    .description("add a person, with the password typed or on standard input")
    .action((login: string, { role }: RoleOptions) =>
      run(async () => {
        const { addIdentity } = await import("./commands/identity.ts");
        return addIdentity(withInput(), login, role);
      }),
    );
  identity
    .command("password")
    .argument("<login>")
    .description("set a password, typed or on standard input; ends all tokens of the identity")
    .action((login: string) =>
      run(async () => {
        const { setPassword } = await import("./commands/identity.ts");
        return setPassword(withInput(), login);
      }),
    );
  identity
    .command("list")
    .description("list people and services")
    .action(() =>
      run(async () => {
        const { listIdentities } = await import("./commands/identity.ts");
        return listIdentities(invocation());
      }),
    );
  identity
    .command("remove")
    .argument("<login>")
    .description("remove a person or a service, and end all its tokens")
    .action((login: string) =>
      run(async () => {
        const { removeIdentity } = await import("./commands/identity.ts");
        return removeIdentity(invocation(), login);
      }),
    );
  root
    .command("token")
    .description("make tokens for services")
    .command("create")
    .addOption(roleOption())
    .option("--service <name>", "service that it is for (default: the role)")
    .option("--ttl <seconds>", "seconds until it expires", secondsOf, daySeconds)
    .description("print a token for ATTUNE_API_TOKEN")
    .action(({ role, service: name = role, ttl: ttlSeconds }: TokenOptions) =>
      run(async () => {
        const { createToken } = await import("./commands/identity.ts");
        return createToken(invocation(), { role, name, ttlSeconds });
      }),
    );
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= ttlSecondsMax) return seconds;
  throw new InvalidArgumentError(`It must be a whole number of seconds up to ${ttlSecondsMax} (366 days).`);
}
