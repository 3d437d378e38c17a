/** Text to expression, by the grammar of the language definition; macros are told apart here. */
import type { BinaryOperator, Expr, MacroName, StructLiteral } from './ast.ts';
import { CompileError } from './cel-error.ts';
import { tokenize, type Token } from './lexer.ts';
import { Uint } from './values.ts';
import { parts } from './walk.ts';

/** Deeper than this nobody writes, and a recursive reader would run out of stack. */
const MAX_DEPTH = 250;

export interface Syntax {
  /** Whether there is `cel.bind`. */
  readonly binds?: boolean | undefined;
}

export function parse(text: string, syntax: Syntax = {}): Expr {
  return new Parser(text, syntax).all();
}

/** What no field may be called in an expression. */
export const RESERVED: ReadonlySet<string> = new Set([
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'namespace',
  'return',
  'var',
  'void',
  'while',
]);

/** By operator, how tight it binds. */
const LEVELS: readonly (readonly string[])[] = [
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** What an expression may begin with, as upstream's parser lists it. */
const BEGINNINGS =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

const COUNTED: ReadonlySet<string> = new Set(['binary', 'ternary', 'select', 'index', 'macro']);

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #binds: boolean;
  #next = 0;
  /** Of the parts that are being read, one in the other. */
  #depth = 0;
  /** Of what has been read, where there is any. */
  readonly #depths = new Map<Expr, number>();

  constructor(text: string, { binds = false }: Syntax) {
    this.#text = text;
    this.#binds = binds;
    this.#tokens = tokenize(text);
  }

  all(): Expr {
    const expr = this.#expression();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest, '<EOF>');
    return expr;
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #unexpected(token: Token, wanted = ''): CompileError {
    const shown = token.kind === 'end' ? '<EOF>' : this.#shown(token);
    const expecting = wanted === '' ? '' : ` expecting ${wanted}`;
    // Without it the text would go on as it should.
    const what = this.#fits(this.#tokens[this.#next + 1], wanted) ? 'extraneous' : 'mismatched';
    return this.#fail(`Syntax error: ${what} input '${shown}'${expecting}`, token.at);
  }

  #fits(token: Token | undefined, wanted: string): boolean {
    if (token === undefined) return false;
    if (wanted === '<EOF>') return token.kind === 'end';
    if (wanted !== BEGINNINGS) return false;
    return token.kind === 'symbol' ? '[{(.-!'.includes(token.text) : token.kind !== 'end';
  }

  #shown(token: Token): string {
    const end = this.#tokens[this.#next + 1]?.at ?? this.#text.length;
    return 'text' in token ? token.text : this.#text.slice(token.at, end).trimEnd();
  }

  #fail(why: string, at: number): CompileError {
    return new CompileError(why, this.#text, at);
  }

  /** Upstream counts operators, fields and calls of methods; what is too deep has no place. */
  #built<E extends Expr>(expr: E): E {
    let depth = 0;
    for (const part of parts(expr)) depth = Math.max(depth, this.#depths.get(part) ?? 0);
    if (COUNTED.has(expr.op) || (expr.op === 'call' && expr.target !== undefined)) depth++;
    if (depth > MAX_DEPTH) throw new CompileError('max recursion depth exceeded', '', -1);
    if (depth > 0) this.#depths.set(expr, depth);
    return expr;
  }

  #deeper(): void {
    if (++this.#depth > MAX_DEPTH)
      throw new CompileError(`expression recursion limit exceeded: ${MAX_DEPTH}`, '', -1);
  }

  #isSymbol(...texts: readonly string[]): boolean {
    const token = this.#peek();
    return token.kind === 'symbol' && texts.includes(token.text);
  }

  #accept(text: string): boolean {
    if (!this.#isSymbol(text)) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw this.#unexpected(this.#peek(), `'${text}'`);
  }

  #expression(): Expr {
    this.#deeper();
    const condition = this.#logical('||');
    let result = condition;
    if (this.#isSymbol('?')) {
      const { at } = this.#peek();
      this.#next++;
      const yes = this.#logical('||');
      this.#expect(':');
      result = this.#built({ op: 'ternary', condition, yes, no: this.#expression(), at });
    }
    this.#depth--;
    return result;
  }

  #logical(operator: '||' | '&&'): Expr {
    const part = (): Expr => (operator === '||' ? this.#logical('&&') : this.#binary(0));
    const sides = [part()];
    const places: number[] = [];
    while (this.#isSymbol(operator)) {
      places.push(this.#peek().at);
      this.#next++;
      sides.push(part());
    }
    // A long chain is no deep one: each half has half of it.
    const joined = (from: number, to: number): Expr => {
      if (from === to) return sides[from]!;
      const middle = (from + to) >> 1;
      const [left, right] = [joined(from, middle), joined(middle + 1, to)];
      return this.#built({ op: 'logical', operator, left, right, at: places[middle]! });
    };
    return joined(0, sides.length - 1);
  }

  #binary(level: number): Expr {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#peek();
      const isIn = token.kind === 'ident' && !token.quoted && token.text === 'in' && level === 0;
      if (!isIn && !this.#isSymbol(...operators)) return left;
      this.#next++;
      const operator = (token as { text: string }).text as BinaryOperator;
      left = this.#built({ op: 'binary', operator, left, right: this.#binary(level + 1), at: token.at });
    }
  }

  #unary(): Expr {
    const token = this.#peek();
    const { at } = token;
    if (!this.#isSymbol('!', '-')) return this.#postfix(this.#primary());
    const operator = (token as { text: string }).text as '!' | '-';
    let times = 0;
    for (; this.#accept(operator); times++) {
      const number = this.#peek();
      // The smallest integer has no positive counterpart: the sign belongs to the literal.
      if (operator === '-' && (number.kind === 'int' || number.kind === 'double')) {
        this.#next++;
        const value = number.kind === 'int' ? this.#int(-number.value, at) : -number.value;
        return this.#negated(operator, times, this.#postfix({ op: 'constant', value, at }));
      }
    }
    this.#deeper();
    const operand = this.#unary();
    this.#depth--;
    return this.#negated(operator, times, operand);
  }

  /** Twice is not at all. */
  #negated(operator: '!' | '-', times: number, operand: Expr): Expr {
    return times % 2 === 0 ? operand : this.#built({ op: 'unary', operator, operand, at: operand.at });
  }

  #int(value: bigint, at: number): bigint {
    if (value > 2n ** 63n - 1n || value < -(2n ** 63n)) throw this.#fail('invalid int literal', at);
    return value;
  }

  #postfix(start: Expr): Expr {
    let expr = start;
    for (;;) {
      const { at } = this.#peek();
      if (this.#accept('.')) {
        const optional = this.#accept('?');
        const token = this.#peek();
        if (token.kind !== 'ident' || (!token.quoted && token.text === 'in'))
          throw this.#fail(
            `Syntax error: no viable alternative at input '.${token.kind === 'end' ? '' : this.#shown(token)}'`,
            token.at,
          );
        this.#next++;
        if (token.quoted) throw this.#fail("unsupported syntax: '`'", token.at);
        if (!optional && !token.quoted && this.#isSymbol('(')) {
          const open = this.#peek().at;
          expr = this.#method(expr, token.text, open);
        } else expr = this.#built({ op: 'select', operand: expr, field: token.text, optional, at });
      } else if (this.#accept('[')) {
        const optional = this.#accept('?');
        const index = this.#expression();
        this.#expect(']');
        expr = this.#built({ op: 'index', operand: expr, index, optional, at });
      } else if (this.#isSymbol('{')) {
        const name = qualifiedName(expr);
        if (name === undefined) return expr;
        expr = this.#struct(name, at);
      } else return expr;
    }
  }

  #primary(): Expr {
    const token = this.#peek();
    const { at } = token;
    switch (token.kind) {
      case 'int':
        this.#next++;
        return { op: 'constant', value: this.#int(token.value, at), at };
      case 'uint':
        this.#next++;
        if (token.value >= 2n ** 64n) throw this.#fail('invalid uint literal', at);
        return { op: 'constant', value: new Uint(token.value), at };
      case 'double':
      case 'string':
      case 'bytes':
        this.#next++;
        return { op: 'constant', value: token.value, at };
      case 'ident':
        return this.#name(token.text, token.quoted);
      case 'symbol':
        break;
      default:
        throw this.#unexpected(token, BEGINNINGS);
    }
    if (this.#accept('(')) {
      const inner = this.#expression();
      this.#expect(')');
      return inner;
    }
    if (this.#accept('[')) return this.#list(at);
    if (this.#accept('{')) return this.#map(at);
    // A leading dot means the root scope, which is the only one here.
    if (this.#accept('.')) {
      const name = this.#peek();
      if (name.kind !== 'ident') {
        const shown = name.kind === 'end' ? '' : this.#shown(name);
        throw this.#fail(`Syntax error: no viable alternative at input '.${shown}'`, name.at);
      }
      return this.#primary();
    }
    throw this.#unexpected(token, BEGINNINGS);
  }

  #name(text: string, quoted: boolean): Expr {
    const token = this.#peek();
    const { at } = token;
    if (!quoted) {
      if (text === 'true' || text === 'false') {
        this.#next++;
        return { op: 'constant', value: text === 'true', at };
      }
      if (text === 'null') {
        this.#next++;
        return { op: 'constant', value: null, at };
      }
      if (text === 'in') throw this.#unexpected(token);
      if (RESERVED.has(text)) throw this.#fail(`reserved identifier: ${text}`, at);
    }
    this.#next++;
    if (quoted || !this.#isSymbol('(')) return { op: 'ident', name: text, at };
    const open = this.#peek().at;
    const args = this.#arguments();
    if (text !== 'has') return this.#built({ op: 'call', name: text, target: undefined, args, at: open });
    const [tested] = args;
    if (args.length !== 1 || tested?.op !== 'select' || tested.optional) {
      throw this.#fail('invalid argument to has() macro', tested?.at ?? open);
    }
    return this.#built({ op: 'macro', name: 'has', target: tested, variables: [], args: [], at: open });
  }

  #arguments(): Expr[] {
    this.#expect('(');
    const args: Expr[] = [];
    if (!this.#isSymbol(')')) {
      do args.push(this.#expression());
      while (this.#accept(','));
    }
    this.#expect(')');
    return args;
  }

  #method(target: Expr, name: string, at: number): Expr {
    const args = this.#arguments();
    if (
      this.#binds &&
      name === 'bind' &&
      target.op === 'ident' &&
      target.name === 'cel' &&
      args.length === 3
    ) {
      const [variable, bound, result] = args as [Expr, Expr, Expr];
      const variables = [this.#variable(variable)];
      return this.#built({ op: 'macro', name, target: bound, variables, args: [result], at });
    }
    const macro = MACROS.find((one) => one.written === name && one.arguments === args.length);
    if (macro === undefined) return this.#built({ op: 'call', name, target, args, at });
    const variables = args.slice(0, macro.variables).map((arg) => this.#variable(arg));
    if (variables.length === 2 && variables[0] === variables[1])
      throw this.#fail(`duplicate variable name: ${variables[0] ?? ''}`, args[1]!.at);
    return this.#built({
      op: 'macro',
      name: macro.name,
      target,
      variables,
      args: args.slice(macro.variables),
      at,
    });
  }

  #variable(expr: Expr): string {
    if (expr.op === 'ident' && expr.name === '__result__')
      throw this.#fail('iteration variable overwrites accumulator variable', expr.at);
    if (expr.op === 'ident') return expr.name;
    throw this.#fail('argument must be a simple name', expr.at);
  }

  /** A comma with nothing before it, at the end. */
  #isLone(end: string): boolean {
    const after = this.#tokens[this.#next + 1];
    return this.#isSymbol(',') && after?.kind === 'symbol' && after.text === end;
  }

  #list(at: number): Expr {
    const items: { value: Expr; optional: boolean }[] = [];
    if (this.#isLone(']')) this.#next++;
    while (!this.#isSymbol(']')) {
      const optional = this.#accept('?');
      items.push({ value: this.#expression(), optional });
      if (!this.#accept(',')) break;
    }
    this.#expect(']');
    return this.#built({ op: 'list', items, at });
  }

  #map(at: number): Expr {
    const entries: { key: Expr; value: Expr; optional: boolean }[] = [];
    if (this.#isLone('}')) this.#next++;
    while (!this.#isSymbol('}')) {
      const optional = this.#accept('?');
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (!this.#accept(',')) break;
    }
    this.#expect('}');
    return this.#built({ op: 'map', entries, at });
  }

  #struct(name: string, at: number): StructLiteral {
    this.#expect('{');
    const fields: { name: string; value: Expr; optional: boolean; at: number }[] = [];
    while (!this.#isSymbol('}')) {
      const optional = this.#accept('?');
      const token = this.#peek();
      if (token.kind !== 'ident') throw this.#unexpected(token, 'IDENTIFIER');
      this.#next++;
      // Where upstream says that a field is.
      const { at: colon } = this.#peek();
      this.#expect(':');
      fields.push({ name: token.text, value: this.#expression(), optional, at: colon });
      if (!this.#accept(',')) break;
    }
    this.#expect('}');
    return this.#built({ op: 'struct', name, fields, at });
  }
}

/** `a.b.c`, when the expression is nothing else. */
function qualifiedName(expr: Expr): string | undefined {
  if (expr.op === 'ident') return expr.name;
  if (expr.op !== 'select' || expr.optional) return undefined;
  const outer = qualifiedName(expr.operand);
  return outer === undefined ? undefined : `${outer}.${expr.field}`;
}

interface MacroForm {
  readonly written: string;
  readonly name: MacroName;
  readonly arguments: number;
  readonly variables: number;
}

const form = (written: string, name: MacroName, args: number, variables: number): MacroForm => ({
  written,
  name,
  arguments: args,
  variables,
});

const MACROS: readonly MacroForm[] = [
  form('all', 'all', 2, 1),
  form('exists', 'exists', 2, 1),
  form('exists_one', 'existsOne', 2, 1),
  form('map', 'map', 2, 1),
  form('map', 'map', 3, 1),
  form('filter', 'filter', 2, 1),
  form('sortBy', 'sortBy', 2, 1),
  form('all', 'all', 3, 2),
  form('exists', 'exists', 3, 2),
  form('existsOne', 'existsOne', 3, 2),
  form('exists_one', 'existsOne', 3, 2),
  form('transformList', 'transformList', 3, 2),
  form('transformList', 'transformList', 4, 2),
  form('transformMap', 'transformMap', 3, 2),
  form('transformMap', 'transformMap', 4, 2),
  form('transformMapEntry', 'transformMapEntry', 3, 2),
  form('transformMapEntry', 'transformMapEntry', 4, 2),
  form('optMap', 'optMap', 2, 1),
  form('optFlatMap', 'optFlatMap', 2, 1),
];
