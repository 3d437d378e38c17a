/** `/healthz`, `/livez` and `/readyz`: named checks, one by one or together (KEP-1753). */
import { errorMessage } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { textResponse } from '../encoding/respond.ts';

export interface HealthCheck {
  readonly name: string;
  /** Of `/livez` and `/healthz`: a failure means that a restart would help. Of `/readyz` every check is one. */
  readonly live: boolean;
  /** Throws, or rejects, when not healthy. */
  check(): void | Promise<void>;
}

/** Only what may quote somebody is told not to be guessed at. */
const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };
const PATH = /^\/(healthz|livez|readyz)(?:\/(.+))?$/;

export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  readonly log: Logger;
  /** Hears every result. */
  readonly checked?: (type: string, name: string, healthy: boolean) => void;
}

/** Undefined for paths that are none of these. */
export async function answerHealth(
  path: string,
  query: URLSearchParams,
  { checks, log, checked }: HealthOptions,
): Promise<ApiResponse | undefined> {
  const [, group, name] = PATH.exec(path) ?? [];
  if (group === undefined) return undefined;
  const asked = group === 'readyz' ? checks : checks.filter(({ live }) => live);
  if (name !== undefined) {
    const one = asked.find((check) => check.name === name);
    if (one === undefined) return undefined;
    const failure = await failureOf(one);
    checked?.(group, name, failure === undefined);
    return failure === undefined
      ? { status: 200, headers: PLAIN, body: Buffer.from('ok') }
      : textResponse(`internal server error: ${failure}\n`, 500);
  }
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  const failed: string[] = [];
  for (const check of asked) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const failure = await failureOf(check);
    checked?.(group, check.name, failure === undefined);
    // The reason is for the log: who asks here has not said who they are.
    lines.push(failure === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`);
    if (failure !== undefined) failed.push(`${check.name}: ${failure}`);
  }
  if (excluded.size > 0) {
    const unknown = [...excluded].map((each) => JSON.stringify(each)).join(', ');
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown}`);
  }
  if (failed.length > 0) {
    log.warn(`${group} check failed`, { failed });
    return textResponse(`${lines.join('\n')}\n${group} check failed\n`, 500);
  }
  return query.has('verbose')
    ? textResponse(`${lines.join('\n')}\n${group} check passed\n`)
    : textResponse('ok');
}

async function failureOf(one: HealthCheck): Promise<string | undefined> {
  try {
    await one.check();
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
