/** `/statusz` and `/flagz`: what this process is and what it was started with, for people and as an object (KEP-4827, KEP-4828). */
import type { ApiResponse } from '../../api/transport.ts';
import { KUBERNETES_VERSION } from '../../api/version.ts';
import { notShownSo } from '../failure.ts';
import { parseAccept } from '../encoding/negotiate.ts';
import { jsonResponse, warningHeader } from '../encoding/respond.ts';
import { toBytes } from '../encoding/view.ts';

const OFFERED = ['application/json', 'application/yaml', 'text/plain'];
const GROUP = 'config.k8s.io';
const DEPRECATED = 'v1alpha1';
const VERSIONS = [DEPRECATED, 'v1beta1'];
/** The component, under upstream's name. */
const NAME = 'apiserver';
const PATHS = ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'];

export interface About {
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly now: number;
  /** By name. */
  readonly flags: Readonly<Record<string, string>>;
}

interface Page {
  readonly kind: string;
  /** Of the object, beside what every object has. */
  readonly fields: object;
  /** What stands below the heading. */
  readonly text: string;
}

/** Undefined for other paths. Throws for a client that takes neither text nor the object in a version there is. */
export function answerAbout(
  path: string,
  accept: string | undefined,
  about: () => About,
): ApiResponse | undefined {
  if (path !== '/statusz' && path !== '/flagz') return undefined;
  const version = versionFor(accept, path === '/statusz' ? 'Statusz' : 'Flagz');
  const { kind, fields, text } = path === '/statusz' ? statusPage(about()) : flagsPage(about());
  if (version === 'text') {
    const heading = `\n${NAME} ${path.slice(1)}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n`;
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    return { status: 200, headers, body: Buffer.from(heading + text) };
  }
  const warnings =
    version === DEPRECATED
      ? [`This version of the ${path.slice(1)} endpoint is deprecated. Please use a newer version.`]
      : [];
  const object = { kind, apiVersion: `${GROUP}/${version}`, metadata: { name: NAME }, ...fields };
  return jsonResponse(200, toBytes(object), {
    'content-type': `application/json;g=${GROUP};v=${version};as=${kind}`,
    ...warningHeader(warnings),
  });
}

/** `text`, or the version of the object that the client prefers. */
function versionFor(accept: string | undefined, kind: string): string {
  if (accept === undefined || accept.trim() === '') return 'text';
  for (const { type, parameters } of parseAccept(accept)) {
    const version = parameters.get('v') ?? '';
    const isObject = parameters.get('as') === kind && parameters.get('g') === GROUP;
    const isText = type === 'text/plain' || type === 'text/*' || type === '*/*';
    if (isText && !parameters.has('as')) return 'text';
    if (type !== 'text/plain' && isObject && VERSIONS.includes(version)) return version;
  }
  throw notShownSo(OFFERED);
}

function statusPage({ started, now }: About): Page {
  const version = KUBERNETES_VERSION.slice(1);
  const emulated = version.replace(/\.\d+$/, '');
  const seconds = Math.floor((now - started) / 1000);
  const pad = (number: number): string => String(number).padStart(2, '0');
  const up = `${Math.floor(seconds / 3600)} hr ${pad(Math.floor(seconds / 60) % 60)} min ${pad(seconds % 60)} sec`;
  const lines = [
    ['Started', timeText(started)],
    ['Up', up],
    ['Go version', runtime()],
    ['Binary version', version],
    ['Emulation version', emulated],
    ['Paths', PATHS.join(' ')],
  ];
  return {
    kind: 'Statusz',
    fields: {
      startTime: `${new Date(started).toISOString().slice(0, 19)}Z`,
      uptimeSeconds: seconds,
      goVersion: runtime(),
      binaryVersion: version,
      emulationVersion: emulated,
      paths: PATHS,
    },
    text: `\n${lines.map(([name, value]) => `${name}: ${value}`).join('\n')}`,
  };
}

function flagsPage({ flags }: About): Page {
  const sorted = Object.entries(flags).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    kind: 'Flagz',
    fields: { flags: Object.fromEntries(sorted) },
    text: sorted.map(([name, value]) => `${name}: ${value}\n`).join(''),
  };
}

function runtime(): string {
  return `node ${process.version}`;
}

/** As `date` writes it: `Sat Nov 21 22:06:04 UTC 2026`. */
function timeText(ms: number): string {
  const [, day, date, month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(ms).toUTCString()) ?? [];
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${time} UTC ${year}`;
}
