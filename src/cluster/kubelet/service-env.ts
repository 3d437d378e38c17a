import type { Service } from '../api/generated/core-v1.ts';

/**
 * The variables that tell a container of services that existed before it: `<SERVICE>_SERVICE_HOST`, `_SERVICE_PORT`,
 * `_SERVICE_PORT_<NAME>`, and the Docker links' `<SERVICE>_PORT…`. Without links, only the API server's own.
 */
export function serviceEnvironment(
  services: readonly Service[],
  pod: { readonly namespace: string; readonly enableServiceLinks: boolean },
): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  for (const service of services) {
    const { name = '', namespace = '' } = service.metadata ?? {};
    const isApiServer = namespace === 'default' && name === 'kubernetes';
    if (!isApiServer && !(pod.enableServiceLinks && namespace === pod.namespace)) continue;
    // A service of the pod's own namespace hides the API server's of the same name.
    if (isApiServer && pod.enableServiceLinks && pod.namespace !== 'default' && hasOwn(services, pod, name))
      continue;
    addService(env, service);
  }
  return env;
}

function hasOwn(services: readonly Service[], pod: { readonly namespace: string }, name: string): boolean {
  return services.some(
    (service) =>
      service.metadata?.namespace === pod.namespace &&
      service.metadata.name === name &&
      hasClusterIp(service),
  );
}

function hasClusterIp(service: Service): boolean {
  const ip = service.spec?.clusterIP;
  return service.spec?.type !== 'ExternalName' && ip !== undefined && ip !== '' && ip !== 'None';
}

function addService(env: Map<string, string>, service: Service): void {
  if (!hasClusterIp(service)) return;
  const ip = service.spec!.clusterIP!;
  const prefix = variableName(service.metadata?.name ?? '');
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (first === undefined) return;
  env.set(`${prefix}_SERVICE_HOST`, ip);
  env.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const port of ports) {
    if (port.name !== undefined && port.name !== '') {
      env.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
    }
  }
  const host = ip.includes(':') ? `[${ip}]` : ip;
  for (const port of ports) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    const url = `${protocol}://${host}:${port.port}`;
    const link = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
    if (port === first) env.set(`${prefix}_PORT`, url);
    env.set(link, url);
    env.set(`${link}_PROTO`, protocol);
    env.set(`${link}_PORT`, String(port.port));
    env.set(`${link}_ADDR`, ip);
  }
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
