/** What a node does for its pods: exec, attach, portforward and log. Admission is asked about the first three (CONNECT). */
import { forbidden as forbiddenField, invalid } from '../../../api/field-error.ts';
import { TIME_LAYOUT, timeError } from '../../../api/go-errors.ts';
import { objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { ApiResponse } from '../../../api/transport.ts';
import { attributesOf, refusal } from '../../authorization/authorizer.ts';
import type { ResourceContext } from '../../context.ts';
import { badRequest, invalidObject } from '../../failure.ts';
import { admitConnection } from '../../writes/gate.ts';
import type { KubeObject } from '../../object.ts';
import { checkTakes, OFFERED } from '../../encoding/negotiate.ts';
import { flag } from '../../request-info.ts';
import { bare } from '../../encoding/respond.ts';
import { askNode, passOn } from './node.ts';

type Subresource = 'exec' | 'attach' | 'portforward';

/** pods/exec, pods/attach, pods/portforward. */
export async function connectToPod(context: ResourceContext): Promise<ApiResponse> {
  await authorizeCreation(context);
  const { info, server, resource } = context;
  const subresource = info.subresource as Subresource;
  const options = optionsOf(subresource, info.query);
  await admitConnection(context, options);
  const pod = (await server.registry.get(resource, info)).object;
  const forwards = subresource === 'portforward';
  const container = forwards ? '' : containerOf(pod, stringAt(options, 'container'));
  const node = stringAt(pod, 'spec', 'nodeName');
  if (node === '') throw badRequest(`pod ${info.name} does not have a host assigned`);
  const path = [
    forwards ? 'portForward' : subresource,
    ...[info.namespace, info.name].map(encodeURIComponent),
    ...(forwards ? [] : [encodeURIComponent(container)]),
  ];
  // A POST without a wish to go on in another protocol is no use either.
  if (context.request.headers['upgrade'] === undefined) throw badRequest('Upgrade request required');
  const query = streamQuery(subresource, options);
  return await passOn(await askNode(context, node, `/${path.join('/')}?${query.toString()}`), 'upgrade');
}

/** Who opens a stream makes something, whatever the method of the request (KEP-4006). */
async function authorizeCreation({ info, user, server }: ResourceContext): Promise<void> {
  if (info.verb === 'create') return;
  const attributes = attributesOf(user, { ...info, verb: 'create' });
  const decision = await server.authorizer.decide(attributes);
  if (decision.answer !== 'allow') throw refusal(attributes, decision);
}

function optionsOf(subresource: Subresource, query: URLSearchParams): JsonObject {
  if (subresource === 'portforward') {
    const ports = query.getAll('ports').flatMap((text) => text.split(',').map(Number));
    return { kind: 'PodPortForwardOptions', apiVersion: 'v1', ...(ports.length > 0 && { ports }) };
  }
  const wished = ['stdin', 'stdout', 'stderr', 'tty'].filter((name) => query.has(name) && flag(query, name));
  const container = query.get('container') ?? '';
  return {
    kind: subresource === 'exec' ? 'PodExecOptions' : 'PodAttachOptions',
    apiVersion: 'v1',
    ...Object.fromEntries(wished.map((name) => [name, true])),
    ...(container !== '' && { container }),
    ...(subresource === 'exec' && { command: query.getAll('command') }),
  };
}

/** In the kubelet's words. */
function streamQuery(subresource: Subresource, options: JsonObject): URLSearchParams {
  if (subresource === 'portforward') {
    const ports = (options['ports'] ?? []) as readonly number[];
    return new URLSearchParams(ports.length === 0 ? [] : [['port', ports.join(',')]]);
  }
  const names = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' };
  const wished = Object.entries(names).filter(([name]) => options[name] === true);
  const command = (options['command'] ?? []) as readonly string[];
  return new URLSearchParams([
    ...wished.map(([, name]) => [name, '1']),
    ...command.map((word) => ['command', word]),
  ]);
}

export async function podLog(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const { query, namespace, name } = info;
  checkTakes(request.headers['accept'], ['text/plain', ...OFFERED]);
  const passed = logQuery(query, name);
  const pod = (await server.registry.get(resource, info)).object;
  const container = containerOf(pod, query.get('container') ?? '');
  const node = stringAt(pod, 'spec', 'nodeName');
  // Nobody has it yet, so nobody has said anything.
  if (node === '') return bare(204);
  const path = ['containerLogs', namespace, name, container].map(encodeURIComponent).join('/');
  return await passOn(await askNode(context, node, `/${path}?${passed.toString()}`), 'log');
}

/** Throws `invalid` for what PodLogOptions may not say. */
function logQuery(query: URLSearchParams, pod: string): URLSearchParams {
  const numbers = {
    tailLines: { least: 0, why: 'must be greater than or equal to 0' },
    limitBytes: { least: 1, why: 'must be greater than 0' },
    sinceSeconds: { least: 1, why: 'must be greater than 0' },
  };
  const errors = [];
  const passed = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) {
    if (query.has(name) && flag(query, name)) passed.set(name, 'true');
  }
  for (const [name, { least, why }] of Object.entries(numbers)) {
    const text = query.get(name) ?? '';
    if (text === '') continue;
    if (!/^[+-]?\d{1,15}$/.test(text))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    const value = Number(text);
    if (value < least) errors.push(invalid(name, value, why));
    passed.set(name, String(value));
  }
  const sinceTime = query.get('sinceTime') ?? '';
  if (sinceTime !== '') {
    if (Number.isNaN(Date.parse(sinceTime))) throw badRequest(timeError(sinceTime, TIME_LAYOUT));
    if (passed.has('sinceSeconds')) {
      errors.push(forbiddenField('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
    }
    passed.set('sinceTime', sinceTime);
  }
  // A feature that is off (KEP-3288).
  if (query.has('stream')) errors.push(forbiddenField('stream', 'may not be specified'));
  if (errors.length > 0) throw invalidObject({ group: '', kind: 'PodLogOptions', name: pod }, errors);
  return passed;
}

export function containerOf(pod: KubeObject, asked: string): string {
  const namesIn = (list: string): string[] =>
    objectsAt(pod, 'spec', list).map((container) => stringAt(container, 'name'));
  const [main, init] = [namesIn('containers'), namesIn('initContainers')];
  const name = pod.metadata.name ?? '';
  if (asked !== '') {
    if ([...main, ...init, ...namesIn('ephemeralContainers')].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  if (main.length === 1) return main[0]!;
  const also = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '';
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]${also}`,
  );
}
