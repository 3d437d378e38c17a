/** Looking for something in expressions. */
import type { Expr } from './ast.ts';

/** Whether an expression uses a variable. */
export function mentions(expr: Expr, name: string): boolean {
  switch (expr.op) {
    case 'ident':
      return expr.name === name;
    case 'constant':
      return false;
    default:
      return parts(expr).some((part) => mentions(part, name));
  }
}

/** What an expression consists of. */
export function parts(expr: Expr): readonly Expr[] {
  switch (expr.op) {
    case 'select':
    case 'unary':
      return [expr.operand];
    case 'index':
      return [expr.operand, expr.index];
    case 'call':
      return [...(expr.target === undefined ? [] : [expr.target]), ...expr.args];
    case 'binary':
    case 'logical':
      return [expr.left, expr.right];
    case 'ternary':
      return [expr.condition, expr.yes, expr.no];
    case 'list':
      return expr.items.map(({ value }) => value);
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return expr.fields.map(({ value }) => value);
    case 'macro':
      return [expr.target, ...expr.args];
    default:
      return [];
  }
}
