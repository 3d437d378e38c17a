import { PlatformError } from '../../base/errors.ts';

/**
 * An absolute number, or a percentage (`25%`) of `total`, rounded up or down. Throws `invalid` for any other string.
 */
export function scaledValue(
  value: number | string | undefined,
  total: number,
  options: { readonly roundUp: boolean },
): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const match = /^(\d+)%$/.exec(value);
  if (match === null) {
    throw new PlatformError(
      'invalid',
      `invalid value for IntOrString: ${JSON.stringify(value)} is not a percentage`,
    );
  }
  const exact = (Number(match[1]) * total) / 100;
  return options.roundUp ? Math.ceil(exact) : Math.floor(exact);
}
