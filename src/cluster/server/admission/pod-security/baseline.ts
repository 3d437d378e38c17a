import { getPath, listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import {
  containers,
  containersOf,
  hasOwnUsers,
  nameOf,
  plural,
  quoted,
  setters,
  sorted,
  type Check,
  type PodParts,
  type Violation,
} from './check.ts';

/** From this version on pods in user namespaces may do more. */
export const RELAXED = 35;

const ALLOWED_CAPABILITIES: ReadonlySet<unknown> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

function capabilities(pod: PodParts): Violation | undefined {
  const bad: string[] = [];
  const added: string[] = [];
  for (const container of containersOf(pod)) {
    const wrong = listAt(container, 'securityContext', 'capabilities', 'add').filter(
      (one) => !ALLOWED_CAPABILITIES.has(one),
    );
    if (wrong.length > 0) bad.push(nameOf(container));
    added.push(...(wrong as string[]));
  }
  if (bad.length === 0) return undefined;
  const detail = `${containers(bad)} must not include ${quoted(sorted(added))} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
}

function hostNamespaces({ spec }: PodParts): Violation | undefined {
  const used = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => spec[field] === true);
  if (used.length === 0) return undefined;
  return { reason: 'host namespaces', detail: used.map((field) => `${field}=true`).join(', ') };
}

function hostPaths({ spec }: PodParts): Violation | undefined {
  const names = objectsAt(spec, 'volumes')
    .filter((volume) => getPath(volume, 'hostPath') !== undefined)
    .map((volume) => stringAt(volume, 'name'));
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', names.length)} ${quoted(names)}` };
}

function hostPorts(pod: PodParts): Violation | undefined {
  const bad: string[] = [];
  const ports: number[] = [];
  for (const container of containersOf(pod)) {
    const taken = objectsAt(container, 'ports').flatMap((port) => numberAt(port, 'hostPort') || []);
    if (taken.length > 0) bad.push(nameOf(container));
    ports.push(...taken);
  }
  if (bad.length === 0) return undefined;
  const all = sorted(ports.map(String));
  const uses = plural('uses', bad.length, 'use');
  return {
    reason: 'hostPort',
    detail: `${containers(bad)} ${uses} ${plural('hostPort', all.length)} ${all.join(', ')}`,
  };
}

function hostsOf(container: JsonObject): string[] {
  const handlers = [
    ...['livenessProbe', 'readinessProbe', 'startupProbe'].map((name) => [name]),
    ...['postStart', 'preStop'].map((name) => ['lifecycle', name]),
  ];
  return handlers.flatMap((path) =>
    ['httpGet', 'tcpSocket']
      .map((kind) => stringAt(container, ...path, kind, 'host'))
      .filter((host) => host !== ''),
  );
}

function hostProbes(pod: PodParts): Violation | undefined {
  const bad = containersOf(pod).filter((container) => hostsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const hosts = sorted(bad.flatMap(hostsOf));
  const uses = plural('uses', bad.length, 'use');
  const what = plural('probe or lifecycle host', hosts.length);
  return {
    reason: 'probe or lifecycle host',
    detail: `${containers(sorted(bad.map(nameOf)))} ${uses} ${what} ${quoted(hosts)}`,
  };
}

function privileged(pod: PodParts): Violation | undefined {
  const bad = containersOf(pod)
    .filter((container) => getPath(container, 'securityContext', 'privileged') === true)
    .map(nameOf);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containers(bad)} must not set securityContext.privileged=true` };
}

export function procMount(pod: PodParts): Violation | undefined {
  const typeOf = (container: JsonObject): string => stringAt(container, 'securityContext', 'procMount');
  const bad = containersOf(pod).filter((one) => typeOf(one) !== '' && typeOf(one) !== 'Default');
  if (bad.length === 0) return undefined;
  const types = quoted(sorted(bad.map(typeOf)));
  return {
    reason: 'procMount',
    detail: `${containers(bad.map(nameOf))} must not set securityContext.procMount to ${types}`,
  };
}

function seLinux(allowed: ReadonlySet<string>) {
  return (pod: PodParts): Violation | undefined => {
    const types: string[] = [];
    let [user, role] = [false, false];
    const bad = setters(pod, ['seLinuxOptions'], (options) => {
      const type = stringAt(options, 'type');
      const [hasUser, hasRole] = [stringAt(options, 'user') !== '', stringAt(options, 'role') !== ''];
      if (!allowed.has(type)) types.push(type);
      user ||= hasUser;
      role ||= hasRole;
      return !allowed.has(type) || hasUser || hasRole;
    });
    if (bad.length === 0) return undefined;
    const wrong = sorted(types);
    const data = [
      ...(wrong.length > 0 ? [`${plural('type', wrong.length)} ${quoted(wrong)}`] : []),
      ...(user ? ['user may not be set'] : []),
      ...(role ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${bad.join(' and ')} set forbidden securityContext.seLinuxOptions: ${data.join('; ')}`,
    };
  };
}

const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t'];

export function isGoodSeccomp(type: unknown): boolean {
  return type === 'RuntimeDefault' || type === 'Localhost';
}

/** Pod and containers that ask for a profile that is none of the good ones. */
export function badSeccomp(pod: PodParts): Violation | undefined {
  const types: string[] = [];
  const bad = setters(pod, ['seccompProfile'], (profile) => {
    const type = stringAt(profile, 'type');
    if (!isGoodSeccomp(type)) types.push(type);
    return !isGoodSeccomp(type);
  });
  if (bad.length === 0) return undefined;
  const detail = `${bad.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(sorted(types))}`;
  return { reason: 'seccompProfile', detail };
}

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';

/** Until 1.19 profiles were annotations. */
function seccompAnnotations(pod: PodParts): Violation | undefined {
  const keys = [SECCOMP_POD, ...containersOf(pod).map((container) => SECCOMP_CONTAINER + nameOf(container))];
  const bad = keys.flatMap((key) => {
    const value = pod.annotations[key];
    const good =
      value === undefined ||
      value === 'runtime/default' ||
      value === 'docker/default' ||
      value.startsWith('localhost/');
    return good ? [] : [`${key}=${JSON.stringify(value)}`];
  });
  const all = sorted(bad);
  if (all.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural('annotation', all.length)} ${all.join(', ')}`,
  };
}

const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/';

function appArmor(pod: PodParts): Violation | undefined {
  const types: string[] = [];
  const byField = setters(pod, ['appArmorProfile'], (profile) => {
    const type = stringAt(profile, 'type');
    if (!isGoodSeccomp(type)) types.push(type);
    return !isGoodSeccomp(type);
  });
  const byAnnotation = Object.entries(pod.annotations).flatMap(([key, value]) => {
    const good = value === '' || value === 'runtime/default' || value.startsWith('localhost/');
    return !key.startsWith(APPARMOR) || good ? [] : [`${key}=${JSON.stringify(value)}`];
  });
  const fields =
    byField.length === 0
      ? []
      : [`${byField.join(' and ')} must not set AppArmor profile type to ${quoted(sorted(types))}`];
  const all = [...fields, ...sorted(byAnnotation)];
  if (all.length === 0) return undefined;
  const count = types.length + byAnnotation.length;
  const head = byAnnotation.length === 0 ? '' : `${plural('annotation', byAnnotation.length)} `;
  const detail = [...fields, ...(byAnnotation.length === 0 ? [] : [head + sorted(byAnnotation).join(', ')])];
  return { reason: plural('forbidden AppArmor profile', count), detail: detail.join('; ') };
}

function sysctls(allowed: readonly string[]) {
  const good = new Set(allowed);
  return ({ spec }: PodParts): Violation | undefined => {
    const bad = objectsAt(spec, 'securityContext', 'sysctls')
      .map((sysctl) => stringAt(sysctl, 'name'))
      .filter((name) => !good.has(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
}

const SYSCTLS = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];
const SYSCTLS_27 = [...SYSCTLS, 'net.ipv4.ip_local_reserved_ports'];
const SYSCTLS_29 = [
  ...SYSCTLS_27,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
];
const SYSCTLS_32 = [...SYSCTLS_29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];

function hostProcess(pod: PodParts): Violation | undefined {
  const bad = setters(pod, ['windowsOptions', 'hostProcess'], (value) => value === true);
  if (bad.length === 0) return undefined;
  const detail = `${bad.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`;
  return { reason: 'hostProcess', detail };
}

const unlessOwnUsers =
  (check: (pod: PodParts) => Violation | undefined) =>
  (pod: PodParts): Violation | undefined =>
    hasOwnUsers(pod) ? undefined : check(pod);

/** By id, the order of upstream's messages. */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', level: 'baseline', versions: [[0, appArmor]] },
  { id: 'capabilities_baseline', level: 'baseline', versions: [[0, capabilities]] },
  { id: 'hostNamespaces', level: 'baseline', versions: [[0, hostNamespaces]] },
  { id: 'hostPathVolumes', level: 'baseline', versions: [[0, hostPaths]] },
  { id: 'hostPorts', level: 'baseline', versions: [[0, hostPorts]] },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [[34, hostProbes]] },
  { id: 'privileged', level: 'baseline', versions: [[0, privileged]] },
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      [0, procMount],
      [RELAXED, unlessOwnUsers(procMount)],
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      [0, seLinux(new Set(SELINUX_TYPES))],
      [31, seLinux(new Set([...SELINUX_TYPES, 'container_engine_t']))],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    versions: [
      [0, seccompAnnotations],
      [19, badSeccomp],
    ],
  },
  {
    id: 'sysctls',
    level: 'baseline',
    versions: [
      [0, sysctls(SYSCTLS)],
      [27, sysctls(SYSCTLS_27)],
      [29, sysctls(SYSCTLS_29)],
      [32, sysctls(SYSCTLS_32)],
    ],
  },
  { id: 'windowsHostProcess', level: 'baseline', versions: [[0, hostProcess]] },
];
