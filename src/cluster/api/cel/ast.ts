/** Expressions as the parser makes them (https://github.com/google/cel-spec/blob/master/doc/langdef.md). */
import type { Value } from './values.ts';

export type Expr =
  | Constant
  | Ident
  | Select
  | Index
  | Call
  | Unary
  | Binary
  | Logical
  | Ternary
  | ListLiteral
  | MapLiteral
  | StructLiteral
  | Macro;

/** `at`: where in the text, for messages. */
interface Node {
  readonly at: number;
}

export interface Constant extends Node {
  readonly op: 'constant';
  readonly value: Value;
}

export interface Ident extends Node {
  readonly op: 'ident';
  readonly name: string;
}

export interface Select extends Node {
  readonly op: 'select';
  readonly operand: Expr;
  readonly field: string;
  /** `a.?b` */
  readonly optional: boolean;
}

export interface Index extends Node {
  readonly op: 'index';
  readonly operand: Expr;
  readonly index: Expr;
  /** `a[?b]` */
  readonly optional: boolean;
}

export interface Call extends Node {
  readonly op: 'call';
  readonly name: string;
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
}

export interface Unary extends Node {
  readonly op: 'unary';
  readonly operator: '!' | '-';
  readonly operand: Expr;
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in';

export interface Binary extends Node {
  readonly op: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
}

export interface Logical extends Node {
  readonly op: 'logical';
  readonly operator: '&&' | '||';
  readonly left: Expr;
  readonly right: Expr;
}

export interface Ternary extends Node {
  readonly op: 'ternary';
  readonly condition: Expr;
  readonly yes: Expr;
  readonly no: Expr;
}

export interface ListLiteral extends Node {
  readonly op: 'list';
  readonly items: readonly { readonly value: Expr; readonly optional: boolean }[];
}

export interface MapLiteral extends Node {
  readonly op: 'map';
  readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly optional: boolean }[];
}

export interface StructLiteral extends Node {
  readonly op: 'struct';
  readonly name: string;
  readonly fields: readonly {
    readonly name: string;
    readonly value: Expr;
    readonly optional: boolean;
    readonly at: number;
  }[];
}

export type MacroName =
  | 'has'
  | 'bind'
  | 'all'
  | 'exists'
  | 'existsOne'
  | 'map'
  | 'filter'
  | 'sortBy'
  | 'transformList'
  | 'transformMap'
  | 'transformMapEntry'
  | 'optMap'
  | 'optFlatMap';

/** Expressions that bind names; `target` is what is gone over, tested or bound. */
export interface Macro extends Node {
  readonly op: 'macro';
  readonly name: MacroName;
  readonly target: Expr;
  readonly variables: readonly string[];
  /** Predicate or transformation; with a filter before it where there are two. */
  readonly args: readonly Expr[];
}
