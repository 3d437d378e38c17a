/** `"%s is %d".format([…])`. */
import { CelError } from '../cel-error.ts';
import { Duration, entriesOf, isList, Timestamp, TypeValue, typeName, Uint, type Value } from '../values.ts';
import { durationText, timestampText } from './time.ts';

export function formatText(text: string, args: readonly Value[]): string {
  let next = 0;
  return text.replaceAll(
    /%(?:%|(?:\.(\d+))?([a-zA-Z])?)/g,
    (all, precision: string | undefined, verb?: string) => {
      if (all === '%%') return '%';
      if (next >= args.length) throw new CelError(`index ${next} out of range`);
      const value = args[next++]!;
      return formatted(verb ?? '', value, precision === undefined ? undefined : Number(precision));
    },
  );
}

function formatted(verb: string, value: Value, precision: number | undefined): string {
  const number = value instanceof Uint ? value.value : value;
  switch (verb) {
    case 's':
      return textOf(value);
    case 'd':
      if (typeof number === 'bigint') return String(number);
      break;
    case 'f':
      if (typeof number === 'number') return special(number) ?? number.toFixed(precision ?? 6);
      break;
    case 'e':
      if (typeof number === 'number') {
        return special(number) ?? number.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, 'e$10$2');
      }
      break;
    case 'b':
      if (typeof number === 'boolean') return number ? '1' : '0';
      if (typeof number === 'bigint') return number.toString(2);
      break;
    case 'o':
      if (typeof number === 'bigint') return number.toString(8);
      break;
    case 'x':
    case 'X': {
      const hex = hexOf(number);
      if (hex !== undefined) return verb === 'X' ? hex.toUpperCase() : hex;
      break;
    }
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
  throw new CelError(`error during formatting: ${verb} clause can not be used on ${typeName(value)}`);
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? undefined : value > 0 ? 'Infinity' : '-Infinity';
}

function hexOf(value: Value): string | undefined {
  if (typeof value === 'bigint') return value.toString(16);
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : undefined;
}

function textOf(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return special(value) ?? String(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (isList(value)) return `[${value.map(textOf).join(', ')}]`;
  const entries = entriesOf(value);
  if (entries === undefined)
    throw new CelError(`error during formatting: s clause can not be used on ${typeName(value)}`);
  const texts = entries.keys.map((key) => `${textOf(key)}: ${textOf(entries.get(key)!)}`);
  return `{${texts.toSorted().join(', ')}}`;
}
