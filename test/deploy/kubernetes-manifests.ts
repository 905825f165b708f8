/**
 * The Kubernetes manifests, decoded completely: a field that is not listed here fails.
 *
 * What is listed is what our manifests use, with names and types as the API reference of Kubernetes has them. So a
 * misspelt field is found without a cluster, and a new one is looked up there before it is added here.
 */
import { type Static, type TProperties, Type } from "typebox";
import { decode, deploymentFiles, readYaml } from "./deployment-files.ts";

/** Nothing but these. */
const Strict = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false });

const Text = Type.String();
const Texts = Type.Array(Text);
const TextByName = Type.Record(Text, Text);
const Count = Type.Integer({ minimum: 0 });

const Metadata = Strict({ name: Text });

const Quantities = Strict({ cpu: Type.Optional(Text), memory: Text });

const Probe = Strict({
  httpGet: Strict({ path: Text, port: Text }),
  periodSeconds: Count,
  timeoutSeconds: Type.Optional(Count),
  failureThreshold: Type.Optional(Count),
});

const Variable = Strict({
  name: Text,
  value: Type.Optional(Text),
  valueFrom: Type.Optional(
    Type.Union([
      Strict({ fieldRef: Strict({ fieldPath: Text }) }),
      Strict({ secretKeyRef: Strict({ name: Text, key: Text }) }),
    ]),
  ),
});

const Container = Strict({
  name: Text,
  image: Text,
  command: Texts,
  args: Type.Optional(Texts),
  env: Type.Optional(Type.Array(Variable)),
  ports: Type.Optional(Type.Array(Strict({ name: Text, containerPort: Count }))),
  volumeMounts: Type.Array(Strict({ name: Text, mountPath: Text, readOnly: Type.Optional(Type.Boolean()) })),
  securityContext: Strict({
    allowPrivilegeEscalation: Type.Boolean(),
    readOnlyRootFilesystem: Type.Boolean(),
    capabilities: Strict({ drop: Texts }),
  }),
  startupProbe: Type.Optional(Probe),
  livenessProbe: Type.Optional(Probe),
  readinessProbe: Type.Optional(Probe),
  resources: Strict({ requests: Quantities, limits: Quantities }),
});
export type Container = Static<typeof Container>;

const PodVolume = Strict({
  name: Text,
  configMap: Type.Optional(
    Strict({ name: Text, items: Type.Optional(Type.Array(Strict({ key: Text, path: Text }))) }),
  ),
  emptyDir: Type.Optional(Strict({ medium: Type.Optional(Text), sizeLimit: Type.Optional(Text) })),
  image: Type.Optional(Strict({ reference: Text, pullPolicy: Type.Optional(Text) })),
});

const Pod = Strict({
  restartPolicy: Type.Optional(Text),
  automountServiceAccountToken: Type.Boolean(),
  enableServiceLinks: Type.Boolean(),
  terminationGracePeriodSeconds: Type.Optional(Count),
  securityContext: Strict({
    runAsNonRoot: Type.Boolean(),
    runAsUser: Count,
    runAsGroup: Count,
    fsGroup: Type.Optional(Count),
    seccompProfile: Strict({ type: Text }),
  }),
  initContainers: Type.Optional(Type.Array(Container)),
  containers: Type.Array(Container),
  volumes: Type.Array(PodVolume),
});
export type Pod = Static<typeof Pod>;

const PodTemplate = Strict({ metadata: Strict({ labels: TextByName }), spec: Pod });

const schemas = {
  ConfigMap: Strict({
    apiVersion: Type.Literal("v1"),
    kind: Type.Literal("ConfigMap"),
    metadata: Metadata,
    data: TextByName,
  }),
  Secret: Strict({
    apiVersion: Type.Literal("v1"),
    kind: Type.Literal("Secret"),
    metadata: Metadata,
    type: Type.Literal("Opaque"),
    stringData: TextByName,
  }),
  Job: Strict({
    apiVersion: Type.Literal("batch/v1"),
    kind: Type.Literal("Job"),
    metadata: Metadata,
    spec: Strict({ backoffLimit: Count, ttlSecondsAfterFinished: Count, template: PodTemplate }),
  }),
  Deployment: Strict({
    apiVersion: Type.Literal("apps/v1"),
    kind: Type.Literal("Deployment"),
    metadata: Metadata,
    spec: Strict({
      replicas: Count,
      selector: Strict({ matchLabels: TextByName }),
      template: PodTemplate,
    }),
  }),
  PodMonitor: Strict({
    apiVersion: Type.Literal("monitoring.coreos.com/v1"),
    kind: Type.Literal("PodMonitor"),
    metadata: Metadata,
    spec: Strict({
      selector: Strict({
        matchExpressions: Type.Array(Strict({ key: Text, operator: Type.Literal("In"), values: Texts })),
      }),
      podMetricsEndpoints: Type.Array(Strict({ port: Text, path: Text, interval: Text })),
    }),
  }),
};

type Manifest = {
  readonly [Kind in keyof typeof schemas]: Static<(typeof schemas)[Kind]>;
}[keyof typeof schemas];

const AnyKind = Type.Object({ kind: Type.Enum(["ConfigMap", "Secret", "Job", "Deployment", "PodMonitor"]) });

export const kubernetesFiles = deploymentFiles().filter((file) => file.startsWith("kubernetes/"));

/** @throws for a field that Kubernetes, as far as these schemas go, does not know */
export function manifests(file: string): readonly Manifest[] {
  return readYaml(file).map(decodeManifest);
}

export function decodeManifest(document: unknown): Manifest {
  const { kind } = decode(AnyKind, document);
  return decode(schemas[kind], document);
}

/** The pods that a file's Deployments and Jobs make. */
export function pods(file: string): readonly Pod[] {
  return manifests(file).flatMap((manifest) =>
    manifest.kind === "Job" || manifest.kind === "Deployment" ? [manifest.spec.template.spec] : [],
  );
}

/** The data of the ConfigMap of that name in the file. */
export function configMap(file: string, name: string): Readonly<Record<string, string>> {
  for (const manifest of manifests(file)) {
    if (manifest.kind === "ConfigMap" && manifest.metadata.name === name) return manifest.data;
  }
  throw new Error(`${file} has no ConfigMap ${name}`);
}
