/** `config.json` from outside: after this every field is what its type says, and the whole can be made, or it is refused. */
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import type { ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { exactIntegers } from '../seccomp/exact-integers.ts';
import { configFields, processFields } from './fields.ts';
import { type HostSupport, thisHost } from './host.ts';
import { jsonErrorIndex } from './json-place.ts';
import { checkProcessRules, checkRules } from './rules.ts';

/**
 * Throws `invalid` or, for what this host lacks, `unsupported`; messages begin with the JSON path, and say the rule and
 * what is accepted. For text that is no JSON they begin with `source`, line and column.
 * @param source what the text is from, for messages
 */
export function parseRuntimeConfig(
  text: string,
  source: string,
  host: HostSupport = thisHost,
): RuntimeConfig {
  const value = parseJson(text, source);
  configFields.check(value, []);
  const config = value as RuntimeConfig;
  checkRules(config, host);
  return config;
}

/** A process by itself, as `exec --process` reads it; `path` is where it is from, for messages. */
export function checkProcess(value: unknown, path: string, host: HostSupport = thisHost): ProcessConfig {
  const at = path === '' ? [] : [path];
  processFields.check(value, at);
  const process = value as ProcessConfig;
  checkProcessRules(process, at, host);
  return process;
}

export function parseJson(text: string, source: string): unknown {
  try {
    // Seccomp compares 64 bits; a reviver costs several times the parsing, so only where there is such a number.
    return /\d{16}/.test(text) ? JSON.parse(text, exactValues) : JSON.parse(text);
  } catch (error) {
    const before = text.slice(0, jsonErrorIndex(text)).split('\n');
    const [line, column] = [before.length, before.at(-1)!.length + 1];
    const reason = errorMessage(error).replace(
      /( in JSON)? at position.*$|, ("|\.\.\.).* is not valid JSON$/s,
      '',
    );
    throw new PlatformError('invalid', `${source}:${line}:${column}: is not JSON: ${reason}`, {
      cause: error,
      details: { source, line, column },
    });
  }
}

/** All other numbers stay numbers: what they are for holds 2^53 or says "no limit" beyond it. */
function exactValues(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return key === 'value' || key === 'valueTwo' ? exactIntegers(key, value, context) : value;
}
