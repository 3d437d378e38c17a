import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Container, HTTPGetAction, Probe } from '../api/generated/core-v1.ts';
import { dialError, hostPort } from './dial-error.ts';

export interface ProbeOutcome {
  readonly success: boolean;
  readonly message: string;
}

export interface ProbeTarget {
  readonly containerId: string;
  readonly container: Container;
  readonly podIp: string;
}

/** Runs a command in a container; seconds. */
export type ExecProbe = (
  containerId: string,
  command: readonly string[],
  timeoutSeconds: number,
) => Promise<{ readonly exitCode: number; readonly output: string }>;

export interface ProbeTools {
  readonly clock: Clock;
  /** Absent where the runtime cannot. */
  readonly exec?: ExecProbe;
}

/** Bytes of an answer that a message may carry. */
const MAX_BODY = 10 * 1024;

/** True when this node cannot carry the probe out at all: such a probe is reported once and counts as passed. */
export function unsupportedProbe(probe: Probe, tools: ProbeTools): string | undefined {
  if (probe.httpGet !== undefined || probe.tcpSocket !== undefined) return undefined;
  if (probe.exec !== undefined)
    return tools.exec === undefined ? 'exec probes need a runtime with ExecSync' : undefined;
  return `${Object.keys(probe).find((key) => key === 'grpc') ?? 'unknown'} probes are not supported`;
}

/** One try. Never throws: what goes wrong is a failed probe. */
export async function runProbe(probe: Probe, target: ProbeTarget, tools: ProbeTools): Promise<ProbeOutcome> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  try {
    if (probe.httpGet !== undefined)
      return await httpProbe(probe.httpGet, { target, timeoutSeconds, clock: tools.clock });
    if (probe.tcpSocket !== undefined) {
      const port = portNumber(probe.tcpSocket.port, target.container);
      const host = nonEmpty(probe.tcpSocket.host) ?? target.podIp;
      return await tcpProbe({ host, port }, { timeoutSeconds, clock: tools.clock });
    }
    if (probe.exec !== undefined && tools.exec !== undefined) {
      const { exitCode, output } = await tools.exec(
        target.containerId,
        probe.exec.command ?? [],
        timeoutSeconds,
      );
      return { success: exitCode === 0, message: output };
    }
    return { success: false, message: 'no supported handler' };
  } catch (error) {
    return { success: false, message: errorMessage(error) };
  }
}

/** A port by number or by its name among the container's ports. */
export function portNumber(port: number | string | undefined, container: Container): number {
  if (typeof port === 'number') return port;
  const named = (container.ports ?? []).find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new Error(`couldn't find port: ${port ?? ''}`);
  return number;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

interface Limits {
  readonly timeoutSeconds: number;
  readonly clock: Clock;
}

/** Escapes what a request line cannot carry, and leaves what is escaped already as it is. */
export function escapedPath(path: string): string {
  return encodeURI(path).replaceAll(/%25([0-9A-Fa-f]{2})/g, '%$1');
}

/** GET as for probes and hooks: 200 to 399 is success; certificates are not looked at. */
export async function httpProbe(
  action: HTTPGetAction,
  context: Limits & { readonly target: ProbeTarget },
): Promise<ProbeOutcome> {
  const { target, timeoutSeconds, clock } = context;
  const secure = action.scheme?.toUpperCase() === 'HTTPS';
  const headers: Record<string, string> = {
    'user-agent': 'kube-probe/1.36',
    accept: '*/*',
    connection: 'close',
  };
  for (const { name = '', value = '' } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const options = {
    host: nonEmpty(action.host) ?? target.podIp,
    port: portNumber(action.port, target.container),
    path: escapedPath(nonEmpty(action.path) ?? '/'),
    headers,
    agent: false as const,
  };
  const url = `${secure ? 'https' : 'http'}://${hostPort(options.host, options.port)}${options.path}`;
  return new Promise((resolve) => {
    let from: string | undefined;
    let answering = false;
    const done = (outcome: ProbeOutcome): void => {
      timer[Symbol.dispose]();
      resolve(outcome);
      request.destroy();
    };
    const fail = (message: string): void => done({ success: false, message });
    const timer = clock.after(timeoutSeconds * 1000, () =>
      fail(
        answering
          ? 'context deadline exceeded (Client.Timeout or context cancellation while reading body)'
          : `Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
      ),
    );
    const request = secure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    request.on('socket', (socket) => {
      // Once the socket fails it no longer knows its address.
      socket.once('connect', () => (from = hostPort(socket.localAddress ?? '', socket.localPort ?? 0)));
    });
    request.on('error', (error) => fail(`Get "${url}": ${dialError(error, options, from)}`));
    request.on('response', (response) => {
      answering = true;
      let body = '';
      const judge = (): void => {
        const status = response.statusCode ?? 0;
        const success = status >= 200 && status < 400;
        done({ success, message: success ? body : `HTTP probe failed with statuscode: ${status}` });
      };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > MAX_BODY) judge();
      });
      response.on('end', judge);
      response.on('error', (error) => fail(error.message));
    });
    request.end();
  });
}

function tcpProbe(
  to: { readonly host: string; readonly port: number },
  limits: Limits,
): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host: to.host, port: to.port });
    const done = (outcome: ProbeOutcome): void => {
      timer[Symbol.dispose]();
      resolve(outcome);
      socket.destroy();
    };
    const fail = (message: string): void => done({ success: false, message });
    const timer = limits.clock.after(limits.timeoutSeconds * 1000, () =>
      fail(`dial tcp ${hostPort(to.host, to.port)}: i/o timeout`),
    );
    socket.on('connect', () => done({ success: true, message: '' }));
    socket.on('error', (error) => fail(dialError(error, to)));
  });
}
