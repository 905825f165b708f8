/**
 * The platform's resources: everything below `/api/v1`, and some of it without that prefix, where older clients look
 * for it.
 *
 * To add a resource: a file in routes/ with its schemas, the ports it needs and its `add…Routes`; one line here; and one in
 * service/api-parts.ts, which provides the ports.
 */
import type { FastifyInstance } from "fastify";
import { requireCaller, type Authenticate } from "./authentication.ts";
import { readJsonBodies } from "./json-body.ts";
import { suggestMeantNames } from "./meant-names.ts";
import type { Resources } from "./ports.ts";
import { RequestBodies } from "./request-bodies.ts";
import { addAgentRoutes, type AgentDownloads } from "./routes/agent-binary.ts";
import { addLoginRoutes, addTokenRoutes, type AuthPorts } from "./routes/auth.ts";
import { addKeyRoutes, type Keys } from "./routes/keys.ts";
import { addSensorLogRoutes, type SensorLogSource } from "./routes/sensor-logs.ts";
import { addSensorOperationRoutes, type SensorOperations } from "./routes/sensor-operations.ts";
import { addEnforcementRoutes, addEventRoutes } from "./routes/events.ts";
import { addCloudEventRoutes, type CloudEventPorts } from "./routes/cloud-events.ts";
import {
  addExplanationRoutes,
  addSensorExplanationRoutes,
  type SensorExplanations,
} from "./routes/explanations.ts";
import { addRuleHistoryRoutes } from "./routes/rule-history.ts";
import { addEventPostRoutes, type EventPostPorts } from "./routes/event-posts.ts";
import { addActionRoutes } from "./routes/actions.ts";
import { addPackRoutes } from "./routes/packs.ts";
import { addRuleRoutes } from "./routes/rules.ts";
import { addRuntimeRoutes } from "./routes/runtimes.ts";
import { addGapRoutes } from "./routes/sensor-gaps.ts";
import { addSensorRoutes } from "./routes/sensors.ts";
import { addTriggerRoutes } from "./routes/triggers.ts";
import { addIdentityRoutes, addServiceTokenRoute, type IdentityPorts } from "./routes/identities.ts";
import { addSessionRoutes, type SessionPorts } from "./routes/session.ts";
import { addStreamRoute, type ViewedStream } from "./routes/stream.ts";
import { addTimerRoutes } from "./routes/timers.ts";
import { addDiagnosisRoute, type Diagnose } from "./routes/diagnosis.ts";
import { addDeliveryRoutes } from "./routes/deliveries.ts";
import { addVerifyRoutes, type VerifyPorts } from "./routes/verify.ts";
import { addWebhookRoutes, type WebhookReceiver } from "./routes/webhooks.ts";
import { addWorkerRoutes } from "./routes/workers.ts";
import { addBacktestRoutes, type BacktestPorts } from "./routes/backtests.ts";
import { addReplayRoutes, type ReplayPorts } from "./routes/replays.ts";
import type { SensorTraces } from "./sensor-traces.ts";
import { validateRequests } from "./validation.ts";

export interface Platform {
  readonly authenticate: Authenticate;
  /** Left out: nobody asks what sensors do. */
  readonly traces?: SensorTraces;
  readonly resources: Resources;
  /** Left out: tokens come from elsewhere. */
  readonly auth?: AuthPorts & Pick<SessionPorts, "openLocalSession"> & { readonly identities: IdentityPorts };
  /** Left out: nothing runs here that could be operated. */
  readonly operations?: SensorOperations & SensorLogSource & SensorExplanations;
  /** Left out: nothing can be posted. */
  readonly eventPosts?: EventPostPorts & { readonly cloudEvents: Pick<CloudEventPorts, "triggers"> };
  /** Left out: nothing can be verified. */
  readonly verify?: VerifyPorts;
  /** Left out: nothing can be back-tested. */
  readonly backtests?: BacktestPorts;
  /** Left out: nothing can be replayed. */
  readonly replays?: ReplayPorts;
  /** Left out: there is no key store. */
  readonly keys?: Keys;
  /** Left out: no webhooks are received. */
  readonly webhooks?: WebhookReceiver;
  /** Left out: nobody examines the installation. */
  readonly diagnose?: Diagnose;
  /** Left out: nothing is streamed to the page. */
  readonly stream?: ViewedStream;
  /** Left out: nothing is said of the agent's executable. */
  readonly downloads?: AgentDownloads;
}

export async function addResourceRoutes(server: FastifyInstance, platform: Platform): Promise<void> {
  const bodies = new RequestBodies();
  await server.register(
    async (scope) => {
      prepareScope(scope, platform, bodies);
      if (platform.auth !== undefined) addIdentityRoutes(scope, platform.auth.identities);
      addWorkerRoutes(scope, platform.resources);
      addSensorRoutes(scope, platform.resources);
      addGapRoutes(scope, platform.resources);
      addEnforcementRoutes(scope, platform.resources);
      addTimerRoutes(scope, platform.resources);
      addDeliveryRoutes(scope, platform.resources);
      if (platform.diagnose !== undefined) addDiagnosisRoute(scope, platform.diagnose);
      if (platform.stream !== undefined) addStreamRoute(scope, platform.stream, platform.authenticate);
      if (platform.operations !== undefined) {
        addSensorOperationRoutes(scope, platform.operations);
        addSensorExplanationRoutes(scope, platform.operations);
        addSensorLogRoutes(scope, platform.operations, platform.authenticate);
      }
      addPackRoutes(scope, platform.resources);
      addRuntimeRoutes(scope, platform.resources);
      addActionRoutes(scope, platform.resources);
      addUnprefixedRoutes(scope, platform, bodies);
      if (platform.verify !== undefined) addVerifyRoutes(scope, platform.verify, platform.authenticate);
      if (platform.backtests !== undefined)
        addBacktestRoutes(scope, platform.backtests, platform.authenticate);
      if (platform.replays !== undefined) addReplayRoutes(scope, platform.replays, platform.authenticate);
      if (platform.keys !== undefined) addKeyRoutes(scope, platform.keys, bodies);
    },
    { prefix: "/api/v1" },
  );
  await server.register(async (scope) => {
    prepareScope(scope, platform, bodies);
    addUnprefixedRoutes(scope, platform, bodies);
  });
  await addOpenRoutes(server, platform, bodies);
}

/** For callers that have no token yet. */
async function addOpenRoutes(
  server: FastifyInstance,
  { auth, authenticate, downloads, webhooks }: Platform,
  bodies: RequestBodies,
): Promise<void> {
  if (auth !== undefined) {
    await server.register(
      async (scope) => {
        exchangeJson(scope, bodies);
        addSessionRoutes(scope, { ...auth, authenticate });
      },
      { prefix: "/api/v1" },
    );
  }
  for (const prefix of ["/api/v1", ""]) {
    if (webhooks !== undefined)
      await server.register(async (scope) => addWebhookRoutes(scope, webhooks, bodies), { prefix });
    await server.register(
      async (scope) => {
        exchangeJson(scope, bodies);
        if (auth !== undefined) addLoginRoutes(scope, auth);
        if (downloads !== undefined && prefix !== "") addAgentRoutes(scope, downloads);
      },
      { prefix },
    );
  }
}

/** What older clients look for without the prefix, too. */
function addUnprefixedRoutes(
  scope: FastifyInstance,
  { auth, eventPosts, resources }: Platform,
  bodies: RequestBodies,
): void {
  if (auth !== undefined) {
    addTokenRoutes(scope, auth);
    addServiceTokenRoute(scope, auth.identities);
  }
  addEventRoutes(scope, resources);
  if (eventPosts !== undefined) {
    addEventPostRoutes(scope, eventPosts, bodies);
    const { posts, cloudEvents } = eventPosts;
    addCloudEventRoutes(scope, { posts, triggers: cloudEvents.triggers }, bodies);
  }
  addTriggerRoutes(scope, resources);
  addRuleRoutes(scope, resources);
  addRuleHistoryRoutes(scope, resources);
  addExplanationRoutes(scope, resources);
}

function prepareScope(
  scope: FastifyInstance,
  { authenticate, traces, resources }: Platform,
  bodies: RequestBodies,
): void {
  requireCaller(scope, authenticate);
  suggestMeantNames(scope, resources);
  traces?.watchReads(scope);
  exchangeJson(scope, bodies);
}

function exchangeJson(scope: FastifyInstance, bodies: RequestBodies): void {
  readJsonBodies(scope, bodies);
  validateRequests(scope);
  // Schemas of answers describe them; what is not in them is not taken out.
  scope.setSerializerCompiler(() => JSON.stringify);
}
