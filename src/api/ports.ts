/** What the API needs from the rest of the agent; service/api-parts.ts provides it. */
import type { HistoryPage, HistoryRequest } from "../database/history.ts";
import type { Page, PageRequest } from "../database/page.ts";
import type {
  EnforcementDetails,
  EnforcementEntry,
  EnforcementFilter,
  EventDetails,
  EventEntry,
  EventFilter,
} from "../database/statements/event-list.ts";
import type { GapEntry, GapFilter } from "../database/statements/sensor-gaps.ts";
import type { DeliveryEntry, DeliveryFilter } from "../database/statements/webhook-deliveries.ts";
import type { Id } from "../model/identifiers.ts";
import type { DefinitionName } from "../database/statements/definition-edits.ts";
import type { DefinitionOrder } from "../database/statements/definition-lists.ts";
import type { SensorEntry, SensorFilter } from "../database/statements/sensor-list.ts";
import type { SlotEntry, TimerEntry, TimerFilter } from "../database/statements/timer-list.ts";
import type { WorkerEntry, WorkerFilter, WorkerOrder } from "../database/statements/worker-list.ts";
import type { MeantNames } from "./meant-names.ts";
import type { Explanations } from "./routes/explanations.ts";
import type { RuleHistory } from "./routes/rule-history.ts";
import type { RulePorts } from "./routes/rules.ts";
import type { PackPorts } from "./routes/packs.ts";
import type { SchemaMemoryPorts } from "./routes/schema-memory.ts";
import type { DefinitionEditPorts, DefinitionPorts } from "./definitions/ports.ts";
import type { PartHealth } from "../telemetry/part-health.ts";

export interface HealthSource {
  readonly version: string;
  readonly workerName: string;
  /** Reads what is read only on demand, for `parts`; resolves soon, also if the database does not answer. */
  readonly refresh?: () => Promise<void>;
  /** Database, broker, registration …, by name. Answers from memory and at once. */
  readonly parts: () => Readonly<Record<string, PartHealth>>;
  /** Milliseconds on the clock that `checkedAtMs` of the parts is read from. */
  readonly monotonicMs: () => number;
}

export interface MetricsSource {
  readonly contentType: string;
  readonly text: () => Promise<string>;
  /** Counts a connection that the agent closed, by reason. */
  readonly httpConnectionRefused?: (reason: string) => void;
}

/**
 * The platform's resources. All of them reject with an OperatorError whose code says why the database cannot be read.
 */
export interface Resources extends MeantNames {
  readonly listWorkers: (
    order: WorkerOrder,
    request: WorkerFilter & PageRequest,
  ) => Promise<Page<WorkerEntry>>;
  /** Undefined: no worker has that name. */
  readonly readWorker: (name: string) => Promise<WorkerEntry | undefined>;
  readonly listSensors: (
    order: DefinitionOrder,
    request: SensorFilter & PageRequest,
  ) => Promise<Page<SensorEntry>>;
  /** Undefined: there is none. */
  readonly readSensor: (name: DefinitionName) => Promise<SensorEntry | undefined>;
  readonly listTimers: (
    order: DefinitionOrder,
    request: TimerFilter & PageRequest,
  ) => Promise<Page<TimerEntry>>;
  /** Undefined: there is no such rule on a timer trigger. With the newest entries about its slots. */
  readonly readTimer: (
    name: DefinitionName,
    slotsMax: number,
  ) => Promise<{ readonly timer: TimerEntry; readonly slots: readonly SlotEntry[] } | undefined>;
  readonly sensorEdits: DefinitionEditPorts<SensorEntry>;
  readonly packs: PackPorts["packs"];
  readonly importPacks: PackPorts["importPacks"];
  readonly runtimes: DefinitionPorts;
  readonly triggers: DefinitionPorts;
  readonly readSchemaMemory: SchemaMemoryPorts["readSchemaMemory"];
  readonly actions: DefinitionPorts;
  readonly rules: DefinitionPorts;
  readonly readLastMatches: RulePorts["readLastMatches"];
  readonly ruleHistory: RuleHistory;
  readonly explanations: Explanations;
  readonly listEvents: (filter: EventFilter, request: HistoryRequest) => Promise<HistoryPage<EventEntry>>;
  /** Undefined: there is no such event. */
  readonly readEvent: (id: Id) => Promise<EventDetails | undefined>;
  readonly listEnforcements: (
    filter: EnforcementFilter,
    request: HistoryRequest,
  ) => Promise<HistoryPage<EnforcementEntry>>;
  readonly listDeliveries: (
    filter: DeliveryFilter,
    request: HistoryRequest,
  ) => Promise<HistoryPage<DeliveryEntry>>;
  readonly listGaps: (filter: GapFilter, request: HistoryRequest) => Promise<HistoryPage<GapEntry>>;
  /** Undefined: there is no such delivery. */
  readonly readDelivery: (id: Id) => Promise<DeliveryEntry | undefined>;
  /** Undefined: there is no such enforcement. */
  readonly readEnforcement: (id: Id) => Promise<EnforcementDetails | undefined>;
}
