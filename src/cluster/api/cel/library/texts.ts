/** Numbers and times as Go writes them. */
import { dateOf } from '../../../../base/clock.ts';
import type { Duration, Timestamp } from '../values.ts';

const SECOND = 1_000_000_000n;

/** `1`, `1.5`, `1e+06`. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  const power = Number(exponent);
  // Six digits before the point are the most, four zeros after it.
  if (power >= -4 && power < 6) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

export function timestampText({ nanos, zone = 0 }: Pick<Timestamp, 'nanos'> & Partial<Timestamp>): string {
  const seconds = nanos >= 0n ? nanos / SECOND : (nanos - SECOND + 1n) / SECOND;
  const text = isoOf((Number(seconds) + zone * 60) * 1000);
  return `${text}${fractionText(nanos - seconds * SECOND)}${zoneText(zone)}`;
}

function zoneText(zone: number): string {
  if (zone === 0) return 'Z';
  const minutes = Math.abs(zone);
  const [hour, minute] = [Math.floor(minutes / 60), minutes % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  return `${zone < 0 ? '-' : '+'}${hour}:${minute}`;
}

/** As so many seconds, in the digits that a double has. */
export function durationText({ nanos }: Duration): string {
  const seconds = Number(nanos / SECOND) + Number(nanos % SECOND) / 1e9;
  const text = Math.abs(seconds) < 1e-6 ? seconds.toFixed(9).replace(/\.?0+$/, '') : String(seconds);
  return `${text}s`;
}

function isoOf(ms: number): string {
  return dateOf(ms).toISOString().slice(0, 19);
}
