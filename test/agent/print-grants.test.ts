import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runCommandLine } from "../../src/agent/cli.ts";

interface Printed {
  readonly exitCode: number;
  readonly text: string;
  readonly complaint: string;
}

async function printGrants(environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Printed> {
  let [text, complaint] = ["", ""];
  const exitCode = await runCommandLine({
    args: ["migrate", "--print-grants", ...args],
    environment,
    ignoresHangup: false,
    hasReader: () => true,
    print: (more) => (text += more),
    complain: (more) => (complaint += more),
  });
  return { exitCode, text, complaint };
}

// Nothing listens there: no connection is made.
const usual = {
  DATABASE_URL: "postgresql://attune_agent:secret-word@127.0.0.1:1/attune",
  ATTUNE_MQ_URL: "amqp://attune:secret-word@127.0.0.1:1",
};

test("docs/database.md shows exactly what is printed", async () => {
  const page = readFileSync(new URL("../../docs/database.md", import.meta.url), "utf8");

  const { exitCode, text } = await printGrants(usual);

  expect(exitCode).toBe(0);
  expect(page).toContain(`\n\`\`\`sql\n${text}\`\`\`\n`);
  expect(text).not.toContain("secret-word");
});

test("names are quoted, so that none ends a statement, a comment or a shell word", async () => {
  const { text } = await printGrants(
    {
      DATABASE_URL: "postgresql://me@127.0.0.1:1/My%22db",
      ATTUNE__DATABASE__SCHEMA: "user",
      ATTUNE_MQ_URL: "amqp://o'b@127.0.0.1:1/a%0Adrop%20table%20x",
    },
    "--role",
    'user"; drop role me; --',
  );

  const lines = text.trimEnd().split("\n");
  expect(lines[1]).toBe('grant connect on database "My""db" to "user""; drop role me; --";');
  expect(lines[2]).toBe('grant usage on schema "user" to "user""; drop role me; --";');
  expect(text).toContain(String.raw`'o'\''b'`);
  expect(lines.filter((line) => !/^(--|grant |$)/.test(line))).toEqual([]);
});

test("without a server it reports that there is nothing to grant", async () => {
  const { exitCode, text } = await printGrants({});

  expect(exitCode).toBe(0);
  expect(text).toBe(
    "-- The embedded database has a single role that owns everything: nothing to grant.\n" +
      "\n-- Messages stay in the process (message_queue.url is not set): nothing to grant.\n",
  );
});

test("programs get the statements and the command of the configured exchanges as JSON", async () => {
  const names = { ATTUNE__MESSAGE_QUEUE__EXCHANGE: "acme.events" };
  const { text } = await printGrants({ ...usual, ...names }, "--format", "json");

  const pattern = String.raw`'^(acme\.events|attune\.executions|attune\.dlx|attune\.dead-letters|attune\.dlx\.topic)$'`;
  expect(JSON.parse(text)).toMatchObject({
    database: {
      role: "attune_agent",
      statements: expect.arrayContaining([
        'grant select, insert on table "attune".event to "attune_agent"',
      ]) as unknown,
    },
    broker: {
      user: "attune",
      vhost: "/",
      command: `rabbitmqctl set_permissions -p '/' 'attune' ${pattern} ${pattern} ${pattern}`,
    },
  });
});

test("a URL without a user needs --role, and --role alone is a wrong call", async () => {
  const nobody = await printGrants({ DATABASE_URL: "postgresql://127.0.0.1:1/attune" });
  expect(nobody).toMatchObject({
    exitCode: 1,
    text: "",
    complaint:
      "attune-sensor-agent: could not print the rights of an agent: database.url names no user; name the role with --role [CONFIG_INVALID]\n",
  });

  let complaint = "";
  const exitCode = await runCommandLine({
    args: ["migrate", "--role", "me"],
    environment: usual,
    ignoresHangup: false,
    hasReader: () => true,
    print: () => {},
    complain: (more) => (complaint += more),
  });
  expect({ exitCode, complaint }).toMatchObject({
    exitCode: 2,
    complaint: expect.stringContaining("--role only works with migrate --print-grants") as unknown,
  });
});
