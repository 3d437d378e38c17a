/** What is taken of pods and templates, but seldom meant. */
import { append } from '../../../base/append.ts';
import { goQuote } from '../field-error.ts';
import { oncePerPart } from '../common-parts.ts';
import {
  getPath,
  isJsonObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { labelValue } from '../validate/names.ts';
import { APPARMOR, hasProfiles, SECCOMP_CONTAINER, SECCOMP_POD } from '../validate/pod-annotations.ts';

const OLD_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region':
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone':
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type':
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods':
    'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};

/** What there is to say of a node's label that nobody should select by any more. */
export function oldLabel(key: string): string | undefined {
  return Object.hasOwn(OLD_LABELS, key) ? OLD_LABELS[key] : undefined;
}

/** Old labels, and values that no label can have. */
export function nodeTermWarnings(term: JsonObject, at: string, withValues: boolean): string[] {
  return objectsAt(term, 'matchExpressions').flatMap((item, index) => {
    const here = `${at}.matchExpressions[${index}]`;
    const key = stringAt(item, 'key');
    const old = oldLabel(key);
    const values = Array.isArray(item['values']) && withValues ? item['values'] : [];
    return [
      ...(old === undefined ? [] : [`${here}.key: ${key} is ${old}`]),
      ...values.flatMap((value, i) =>
        labelValue(textOf(value)).map((why) => `${here}.values[${i}]: ${textOf(value)} is invalid, ${why}`),
      ),
    ];
  });
}

const OLD_ANNOTATIONS: readonly (readonly [key: string, why: string])[] = [
  [
    'scheduler.alpha.kubernetes.io/critical-pod',
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  ],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  [
    'security.alpha.kubernetes.io/unsafe-sysctls',
    'non-functional in v1.11+; use the "sysctls" field instead',
  ],
];

/** Kinds of volume that nothing serves any more, with the names that upstream gives their fields here. */
export const OLD_VOLUMES: readonly (readonly [string, string, string])[] = [
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

/** `at` is '' for a pod and the template's path for a template. */
export function podWarnings(holder: JsonObject, at: string): readonly string[] {
  const spec = objectAt(holder, 'spec');
  const annotations = objectAt(holder, 'metadata', 'annotations');
  if (at !== '') return specWarnings(spec, annotations, `${at}.`);
  const isPlain =
    !hasProfiles(annotations) && OLD_ANNOTATIONS.every(([key]) => annotations[key] === undefined);
  return isPlain ? plainSpecWarnings(spec) : specWarnings(spec, annotations, '');
}

const plainSpecWarnings = oncePerPart((spec: JsonObject) => specWarnings(spec, {}, ''));

function specWarnings(spec: JsonObject, annotations: JsonObject, root: string): string[] {
  const path = `${root}spec`;
  const containers = containersOf(spec, path);
  const warnings = placementWarnings(spec, path);
  for (const [key, why] of OLD_ANNOTATIONS) {
    if (annotations[key] !== undefined) warnings.push(`${root}metadata.annotations[${key}]: ${why}`);
  }
  append(warnings, volumeWarnings(spec, path));
  append(warnings, duplicateWarnings(spec, path));
  for (const name of IN_BYTES) append(warnings, fractional(spec['overhead'], name, `${path}.overhead`));
  append(warnings, profileWarnings(spec, annotations, { containers, root }));
  for (const { container, at: place } of containers) append(warnings, containerWarnings(container, place));
  append(warnings, portWarnings(containers));
  append(warnings, graceWarnings(spec, path));
  append(warnings, affinityWarnings(spec, path));
  return warnings;
}

const IN_BYTES = ['memory', 'ephemeral-storage'] as const;
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

function placementWarnings(spec: JsonObject, path: string): string[] {
  const warnings: string[] = [];
  for (const key of Object.keys(objectAt(spec, 'nodeSelector'))) {
    const old = oldLabel(key);
    if (old !== undefined) warnings.push(`${path}.nodeSelector[${key}]: ${old}`);
  }
  const affinity = objectAt(spec, 'affinity', 'nodeAffinity');
  const at = `${path}.affinity.nodeAffinity`;
  for (const [index, term] of objectsAt(affinity, REQUIRED, 'nodeSelectorTerms').entries()) {
    append(warnings, nodeTermWarnings(term, `${at}.${REQUIRED}.nodeSelectorTerms[${index}]`, false));
  }
  for (const [index, term] of objectsAt(affinity, PREFERRED).entries()) {
    const here = `${at}.${PREFERRED}[${index}].preference`;
    append(warnings, nodeTermWarnings(objectAt(term, 'preference'), here, true));
  }
  for (const [index, constraint] of objectsAt(spec, 'topologySpreadConstraints').entries()) {
    const here = `${path}.topologySpreadConstraints[${index}]`;
    const key = stringAt(constraint, 'topologyKey');
    const old = oldLabel(key);
    if (old !== undefined) warnings.push(`${here}.topologyKey: ${key} is ${old}`);
    if (constraint['labelSelector'] === undefined) warnings.push(`${here}.labelSelector: ${NO_SELECTOR}`);
  }
  return warnings;
}

const NO_SELECTOR = 'a null labelSelector results in matching no pod';

function volumeWarnings(spec: JsonObject, path: string): string[] {
  if (spec['volumes'] === undefined) return [];
  const tokens = new Set(
    objectsAt(spec, 'volumes').flatMap((volume) =>
      objectsAt(volume, 'projected', 'sources')
        .map((source) => stringAt(source, 'serviceAccountToken', 'path'))
        .filter((token) => token !== ''),
    ),
  );
  const old = objectsAt(spec, 'volumes').flatMap((volume, index) => {
    const here = `${path}.volumes[${index}]`;
    const template = getPath(volume, 'ephemeral', 'volumeClaimTemplate', 'spec');
    return [
      ...OLD_VOLUMES.flatMap(([member, shown, why]) =>
        volume[member] === undefined ? [] : [`${here}.${shown}: ${why}`],
      ),
      ...(isJsonObject(template)
        ? claimSpecWarnings(template, `${here}.ephemeral.volumeClaimTemplate.spec`)
        : []),
    ];
  });
  if (tokens.size === 0) return old;
  const doubled = objectsAt(spec, 'volumes').flatMap((volume, index) =>
    objectsAt(volume, 'projected', 'sources').flatMap((source) =>
      projectedWarnings(source, `${path}.volumes[${index}].projected.sources`, tokens),
    ),
  );
  return [...old, ...doubled];
}

function projectedWarnings(source: JsonObject, at: string, tokens: ReadonlySet<string>): string[] {
  const say = (where: string, file: string): string[] =>
    tokens.has(file) ? [`${at}.${where}: has duplicated path with ServiceAccountToken ${goQuote(file)}`] : [];
  const named: readonly (readonly [string, string])[] = [
    ['configMap', 'configMap'],
    ['secret', 'secrets'],
    ['downwardAPI', 'downwardAPI'],
  ];
  return [
    ...named.flatMap(([member, shown]) =>
      objectsAt(source, member, 'items').flatMap((item, index) =>
        say(`${shown}[${index}]`, stringAt(item, 'path')),
      ),
    ),
    ...say('ClusterTrustBundle', stringAt(source, 'clusterTrustBundle', 'path')),
  ];
}

/** Also of claims themselves. */
export function claimSpecWarnings(spec: JsonObject, at: string): string[] {
  return ['requests', 'limits'].flatMap((list) =>
    fractional(getPath(spec, 'resources', list), 'storage', `${at}.resources.${list}`),
  );
}

/** Of an amount in a list of them, which `at` is the path of. */
function fractional(list: JsonValue | undefined, name: string, at: string): string[] {
  const value = getPath(list, name);
  const quantity = value === undefined ? undefined : tryParseQuantity(textOf(value));
  if (quantity === undefined || (quantity.nano / 1_000_000n) % 1000n === 0n) return [];
  return [`${at}[${name}]: fractional byte value ${goQuote(textOf(value))} is invalid, must be an integer`];
}

function duplicateWarnings(spec: JsonObject, path: string): string[] {
  if (spec['hostAliases'] === undefined && spec['imagePullSecrets'] === undefined) return [];
  const twice = (list: string, key: string): string[] => {
    const seen = new Set<string>();
    return objectsAt(spec, list).flatMap((item, index) => {
      const value = stringAt(item, key);
      if (seen.has(value)) return [`${path}.${list}[${index}].${key}: duplicate ${key} ${goQuote(value)}`];
      seen.add(value);
      return [];
    });
  };
  return [
    ...twice('hostAliases', 'ip'),
    ...twice('imagePullSecrets', 'name'),
    ...objectsAt(spec, 'imagePullSecrets').flatMap((secret, index) =>
      stringAt(secret, 'name') === ''
        ? [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`]
        : [],
    ),
  ];
}

/** Profiles that only annotations give. */
function profileWarnings(
  spec: JsonObject,
  annotations: JsonObject,
  { containers, root }: { readonly containers: readonly Placed[]; readonly root: string },
): string[] {
  if (!hasProfiles(annotations)) return [];
  const at = (key: string): string => `${root}metadata.annotations[${key}]`;
  const fields = 'non-functional in v1.27+; use the "seccompProfile" field instead';
  const warnings: string[] = [];
  const ofPod = objectAt(spec, 'securityContext');
  if (ofPod['seccompProfile'] === undefined && annotations[SECCOMP_POD] !== undefined) {
    warnings.push(`${at(SECCOMP_POD)}: ${fields}`);
  }
  for (const { container } of containers) {
    const own = objectAt(container, 'securityContext');
    const name = stringAt(container, 'name');
    const [seccomp, apparmor] = [`${SECCOMP_CONTAINER}${name}`, `${APPARMOR}${name}`];
    if (own['seccompProfile'] === undefined && annotations[seccomp] !== undefined) {
      warnings.push(`${at(seccomp)}: ${fields}`);
    }
    const profile = own['appArmorProfile'] ?? ofPod['appArmorProfile'];
    if (profile === undefined && annotations[apparmor] !== undefined) {
      warnings.push(`${at(apparmor)}: deprecated since v1.30; use the "appArmorProfile" field instead`);
    }
  }
  return warnings;
}

interface Placed {
  readonly container: JsonObject;
  readonly at: string;
}

function containersOf(spec: JsonObject, path: string): readonly Placed[] {
  const placed: Placed[] = [];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    const containers = objectsAt(spec, list);
    for (let i = 0; i < containers.length; i++) {
      placed.push({ container: containers[i]!, at: `${path}.${list}[${i}]` });
    }
  }
  return placed;
}

function containerWarnings(container: JsonObject, at: string): string[] {
  const warnings: string[] = [];
  for (const name of IN_BYTES) {
    for (const list of ['limits', 'requests']) {
      const amounts = getPath(container, 'resources', list);
      if (amounts !== undefined) append(warnings, fractional(amounts, name, `${at}.resources.${list}`));
    }
  }
  const variables = objectsAt(container, 'env');
  if (variables.length < 2) return warnings;
  const seen = new Set<string>();
  for (const [index, variable] of variables.entries()) {
    const name = stringAt(variable, 'name');
    const value = stringAt(variable, 'value');
    const reference = `$(${name})`;
    // A later value may build on the earlier one, and only then both are meant.
    const hides = variable['valueFrom'] !== undefined || value === reference || !value.includes(reference);
    if (seen.has(name) && hides) {
      const what = `hides previous definition of ${goQuote(name)}, which may be dropped when using apply`;
      warnings.push(`${at}.env[${index}]: ${what}`);
    }
    seen.add(name);
  }
  return warnings;
}

interface PlacedPort {
  readonly at: string;
  readonly ip: string;
  readonly hostPort: number;
}

function portWarnings(containers: readonly Placed[]): string[] {
  const warnings: string[] = [];
  const all = new Map<string, PlacedPort[]>();
  for (const { container, at } of containers) {
    const ports = objectsAt(container, 'ports');
    for (let index = 0; index < ports.length; index++) {
      const port = ports[index]!;
      const own = {
        at: `${at}.ports[${index}]`,
        ip: stringAt(port, 'hostIP'),
        hostPort: numberAt(port, 'hostPort') ?? 0,
      };
      const protocol = stringAt(port, 'protocol');
      const number = numberAt(port, 'containerPort') ?? 0;
      if (own.ip !== '' && own.hostPort === 0) {
        const shown = `{Name:${stringAt(port, 'name')} HostPort:0 ContainerPort:${number} Protocol:${protocol} HostIP:${own.ip}}`;
        warnings.push(`${own.at}: hostIP set without hostPort: ${shown}`);
      }
      const key = `${number}/${protocol}`;
      const others = all.get(key);
      for (const other of others ?? []) {
        const relation = portRelation(own, other);
        if (relation !== undefined) warnings.push(`${own.at}: ${relation} port definition with ${other.at}`);
      }
      if (others === undefined) all.set(key, [own]);
      else others.push(own);
    }
  }
  return warnings;
}

function portRelation(own: PlacedPort, other: PlacedPort): string | undefined {
  if (own.ip === other.ip && own.hostPort === other.hostPort) return 'duplicate';
  if (own.hostPort === 0 || other.hostPort === 0) return 'overlapping';
  const oneIsOpen = (own.ip === '') !== (other.ip === '');
  return own.hostPort === other.hostPort && oneIsOpen ? 'dangerously ambiguous' : undefined;
}

function graceWarnings(spec: JsonObject, path: string): string[] {
  const grace = numberAt(spec, 'terminationGracePeriodSeconds') ?? 0;
  return grace < 0
    ? [
        `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
      ]
    : [];
}

function affinityWarnings(spec: JsonObject, path: string): string[] {
  if (spec['affinity'] === undefined) return [];
  return ['podAffinity', 'podAntiAffinity'].flatMap((key) => {
    const affinity = objectAt(spec, 'affinity', key);
    const at = `${path}.affinity.${key}`;
    const none = (term: JsonObject, here: string): string[] =>
      term['labelSelector'] === undefined ? [`${here}.labelSelector: ${NO_SELECTOR}`] : [];
    return [
      ...objectsAt(affinity, REQUIRED).flatMap((term, index) => none(term, `${at}.${REQUIRED}[${index}]`)),
      ...objectsAt(affinity, PREFERRED).flatMap((term, index) =>
        none(objectAt(term, 'podAffinityTerm'), `${at}.${PREFERRED}[${index}].podAffinityTerm`),
      ),
    ];
  });
}
