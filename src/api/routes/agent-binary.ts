/**
 * `/agent/info` and `/agent/binary`: the agent's executable for machines that have no shared volume with it.
 *
 * The binary has a token of its own, since who downloads it has no other yet.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import {
  agentArchitecture,
  agentArchitectures,
  type AgentArchitecture,
} from "../../model/agent-architecture.ts";
import { orNull } from "../answers.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { LongAnswers } from "../long-answers.ts";

interface Binary {
  readonly architecture: AgentArchitecture;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface AgentDownloads {
  readonly version: string;
  /** Of this machine; null: one that the agent is not built for. */
  readonly architecture: AgentArchitecture | null;
  /** Undefined: not set up. */
  readonly binaries:
    | {
        readonly token: string;
        readonly describe: (architecture: AgentArchitecture) => Promise<Binary | undefined>;
        /** The caller disposes it. */
        readonly open: (
          architecture: AgentArchitecture,
        ) => Promise<(Binary & AsyncDisposable & { readonly handle: FileHandle }) | undefined>;
      }
    | undefined;
}

/** At a time. */
const downloadsMax = 16;

const BinaryParameters = Type.Object({
  arch: Type.Optional(
    Type.Enum([...agentArchitectures, "amd64", "x64", "arm64"], {
      description: "Architecture; without it, that of the agent that is asked",
    }),
  ),
});

const InfoAnswer = Type.Object({
  version: Type.String(),
  architecture: orNull(Type.Enum(agentArchitectures, { description: "Of this agent's machine" })),
  binaries: Type.Array(
    Type.Object({
      architecture: Type.Enum(agentArchitectures),
      size: Type.Integer({ description: "Bytes" }),
      sha256: Type.String(),
    }),
    { description: "What /agent/binary hands out; empty unless it is set up" },
  ),
});

type BinaryRequest = FastifyRequest<{ Querystring: Static<typeof BinaryParameters> }>;

export function addAgentRoutes(scope: FastifyInstance, downloads: AgentDownloads): void {
  scope.get(
    "/agent/info",
    { schema: { response: { 200: Type.Object({ data: InfoAnswer }) } } },
    async () => ({ data: await infoAnswer(downloads) }),
  );

  const refusal = `${downloadsMax} downloads are under way already.`;
  // A stop does not interrupt those that are complete soon.
  const answers = new LongAnswers(scope, { atOnceMax: downloadsMax, refusal });
  const answer = async (request: BinaryRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { open } = demandToken(downloads, request.headers["x-agent-token"]);
    const architecture = demandArchitecture(request.query.arch, downloads);
    const download = answers.begin(request, reply);
    const binary = await open(architecture);
    if (binary === undefined) throw new RequestError("NOT_FOUND", `There is no binary for ${architecture}.`);
    // The client may have left while the file was being hashed.
    download.onClosed(() => void binary[Symbol.asyncDispose]());
    const etag = `"${binary.sha256}"`;
    reply
      .header("etag", etag)
      .header("cache-control", "private, no-cache")
      .header("x-checksum-sha256", binary.sha256);
    if (request.headers["if-none-match"] === etag) return reply.code(304).send();
    reply
      .type("application/octet-stream")
      .header("content-length", binary.sizeBytes)
      .header("content-disposition", 'attachment; filename="attune-sensor-agent"');
    if (request.method === "HEAD") return reply.send();

    // Closed by the binary, which owns it. No byte beyond the announced length, should the file grow.
    const end = Math.max(0, binary.sizeBytes - 1);
    return reply.send(binary.handle.createReadStream({ start: 0, end, autoClose: false }));
  };
  const schema = {
    description: "Needs the header X-Agent-Token.",
    querystring: BinaryParameters,
    response: { 200: Type.Unknown({ description: "The executable" }) },
  };
  scope.get<{ Querystring: Static<typeof BinaryParameters> }>(
    "/agent/binary",
    { schema, exposeHeadRoute: false },
    answer,
  );
  scope.head<{ Querystring: Static<typeof BinaryParameters> }>(
    "/agent/binary",
    { schema: { ...schema, hide: true } },
    answer,
  );
}

async function infoAnswer({
  version,
  architecture,
  binaries,
}: AgentDownloads): Promise<Static<typeof InfoAnswer>> {
  const known =
    binaries === undefined
      ? []
      : await Promise.all(agentArchitectures.map((each) => binaries.describe(each)));
  return {
    version,
    architecture,
    binaries: known.flatMap((binary) =>
      binary === undefined
        ? []
        : [{ architecture: binary.architecture, size: binary.sizeBytes, sha256: binary.sha256 }],
    ),
  };
}

/** @throws RequestError UNAVAILABLE or UNAUTHORIZED */
function demandToken(
  { binaries }: AgentDownloads,
  given: string | readonly string[] | undefined,
): NonNullable<AgentDownloads["binaries"]> {
  if (binaries === undefined) {
    throw new RequestError(
      "UNAVAILABLE",
      "Binaries are not handed out here: agent.binary_dir and agent.binary_token are not set.",
    );
  }
  if (typeof given !== "string" || !isSame(given, binaries.token)) {
    throw new RequestError(
      "UNAUTHORIZED",
      "Send the value of agent.binary_token in the header X-Agent-Token.",
    );
  }
  return binaries;
}

/** Takes equally long wherever the texts differ. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** @throws RequestError VALIDATION_FAILED */
function demandArchitecture(name: string | undefined, downloads: AgentDownloads): AgentArchitecture {
  const known = name === undefined ? downloads.architecture : agentArchitecture(name);
  if (known !== null && known !== undefined) return known;
  throw invalidParameter("arch", `must be one of ${agentArchitectures.join(", ")}`);
}
