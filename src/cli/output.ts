import { PlatformError } from '../base/errors.ts';
import type { CommandInput } from './command-table.ts';

export function wantsJson(options: CommandInput['options']): boolean {
  const format = options['output'];
  if (format === undefined || format === 'text') return false;
  if (format === 'json') return true;
  throw new PlatformError('invalid', `--output ${JSON.stringify(format)}: want json or text`);
}

/** A table for people: columns padded to their widest cell, as kubectl prints them. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('   ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
