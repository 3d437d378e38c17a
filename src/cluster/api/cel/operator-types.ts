/** Which types operators take, and what comes of them. */
import { BOOL, DOUBLE, DYN, INT, join, STRING, type CelType } from './types.ts';

const NUMBERS: ReadonlySet<string> = new Set(['int', 'uint', 'double']);
const ORDERED: ReadonlySet<string> = new Set(['bool', 'string', 'bytes', 'timestamp', 'duration']);

export function binaryType(operator: string, left: CelType, right: CelType): CelType | undefined {
  const open = left.kind === 'dyn' || right.kind === 'dyn' || left.kind === 'param' || right.kind === 'param';
  switch (operator) {
    case '==':
    case '!=':
      return join(left, right) === undefined ? undefined : BOOL;
    case '<':
    case '<=':
    case '>':
    case '>=': {
      if (NUMBERS.has(left.kind) && NUMBERS.has(right.kind)) return BOOL;
      const alike = readings(left).filter(({ kind }) => readings(right).some((one) => one.kind === kind));
      return open || alike.some(({ kind }) => ORDERED.has(kind)) ? BOOL : undefined;
    }
    case 'in':
      if (right.kind === 'dyn' || right.kind === 'param') return BOOL;
      if (right.kind === 'list') return join(right.element, left) === undefined ? undefined : BOOL;
      return right.kind === 'map' && join(right.key, left) !== undefined ? BOOL : undefined;
    default:
      return arithmetic(operator, left, right, open);
  }
}

/** Null may stand for a point in time, or a length of it; what can be anything for whatever there is arithmetic for. */
function readings(type: CelType): readonly CelType[] {
  if (type.kind === 'null') return MOMENTS;
  return type.kind === 'dyn' || type.kind === 'param' ? ANYTHING : [type];
}

const MOMENTS: readonly CelType[] = [{ kind: 'timestamp' }, { kind: 'duration' }];
const ANYTHING: readonly CelType[] = [INT, { kind: 'uint' }, DOUBLE, STRING, { kind: 'bytes' }, ...MOMENTS];

function arithmetic(operator: string, left: CelType, right: CelType, open: boolean): CelType | undefined {
  const [a, b] = [left.kind, right.kind];
  if (operator === '+' && a === 'list' && b === 'list') return join(left, right);
  if (operator === '+' && open && (a === 'list' || b === 'list')) return a === 'list' ? left : right;
  if (open || a === 'null' || b === 'null') {
    const results = readings(left).flatMap((one) =>
      readings(right).flatMap((other) => arithmetic(operator, one, other, false) ?? []),
    );
    return results.every(({ kind }) => kind === results[0]!.kind) ? results[0] : DYN;
  }
  if (a === b) {
    if (a === 'int' || a === 'uint') return left;
    if (a === 'double') return operator === '%' ? undefined : left;
    if (operator === '+' && (a === 'string' || a === 'bytes' || a === 'duration')) return left;
    if (operator === '-' && a === 'duration') return left;
    if (operator === '-' && a === 'timestamp') return { kind: 'duration' };
  }
  if (a === 'timestamp' && b === 'duration' && (operator === '+' || operator === '-')) return left;
  if (a === 'duration' && b === 'timestamp' && operator === '+') return right;
  return undefined;
}
