/** Label selectors as clients write them in a query, and what upstream says of those that it cannot read. */
import { PlatformError } from '../../base/errors.ts';
import { formatFieldErrors, invalid, type FieldError } from './field-error.ts';
import {
  everything,
  selectorOf,
  type LabelOperator,
  type LabelRequirement,
  type Selector,
} from './selector.ts';
import { labelValue, qualifiedName } from './validate/names.ts';

const OPERATORS: Readonly<Record<string, LabelOperator>> = {
  in: 'In',
  notin: 'NotIn',
  '=': 'In',
  '==': 'In',
  '!=': 'NotIn',
  '>': 'Gt',
  '<': 'Lt',
};
const BINARY = 'in, notin, =, ==, !=, gt, lt';
/** Longest first; what is none of the symbols and no space is a word. */
const TOKEN = /==|!=|[=!(),<>]|[^\s=!(),<>]+/g;
const SYMBOL = /^[=!(),<>]/;

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>5`. Throws `invalid`. */
export function parseLabelSelector(text: string): Selector {
  const requirements = new LabelSelectorText(text).parse();
  return requirements.length === 0 ? everything : selectorOf(requirements);
}

class LabelSelectorText {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(TOKEN) ?? [];
  }

  /** '' at the end. */
  get #next(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #take(): string {
    return this.#tokens[this.#at++] ?? '';
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    while (this.#next !== '') {
      if (!isWord(this.#next) && this.#next !== '!')
        throw unreadable(`found '${this.#next}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#requirement());
      const after = this.#take();
      if (after === '') break;
      if (after !== ',') throw unreadable(`found '${after}', expected: ',' or 'end of string'`);
      if (!isWord(this.#next) && this.#next !== '!')
        throw unreadable(`found '${this.#next}', expected: identifier after ','`);
    }
    return requirements;
  }

  #requirement(): LabelRequirement {
    const absent = this.#next === '!';
    if (absent) this.#at++;
    const key = this.#take();
    if (!isWord(key)) throw unparsable(`found '${key}', expected: identifier`);
    const wrong = qualifiedName(key);
    if (wrong.length > 0) throw unparsable(formatFieldErrors([invalid('<nil>', key, wrong.join('; '))]));
    if (absent) return { key, operator: 'DoesNotExist', values: [] };
    if (this.#next === '' || this.#next === ',') return { key, operator: 'Exists', values: [] };
    const sign = this.#take();
    const operator = Object.hasOwn(OPERATORS, sign) ? OPERATORS[sign] : undefined;
    if (operator === undefined) throw unparsable(`found '${sign}', expected: ${BINARY}`);
    const values = sign === 'in' || sign === 'notin' ? this.#values() : [this.#value()];
    return checked({ key, operator, values });
  }

  #value(): string {
    if (this.#next === '' || this.#next === ',') return '';
    const value = this.#take();
    if (!isWord(value)) throw unparsable(`found '${value}', expected: identifier`);
    return value;
  }

  /** `(a,b)`: what is missing between two commas is the empty value. */
  #values(): string[] {
    const open = this.#take();
    if (open !== '(') throw unparsable(`found '${open}' expected: '('`);
    const first = this.#next;
    if (!isWord(first) && first !== ',' && first !== ')')
      throw unparsable(`found '${first}', expected: ',', ')' or identifier`);
    const values = new Set<string>();
    for (;;) {
      values.add(isWord(this.#next) ? this.#take() : '');
      const after = this.#take();
      if (after === ')') return [...values].toSorted();
      if (after !== ',') throw unparsable(`found '${after}', expected: ',' or ')'`);
    }
  }
}

function isWord(token: string): boolean {
  return token !== '' && !SYMBOL.test(token);
}

function checked(requirement: LabelRequirement): LabelRequirement {
  const { key, operator, values } = requirement;
  const errors: FieldError[] = [];
  const compares = operator === 'Gt' || operator === 'Lt';
  for (const [i, value] of values.entries())
    if (compares && !/^[+-]?\d+$/.test(value)) {
      const why = "for 'Gt', 'Lt' operators, the value must be an integer";
      errors.push(invalid(`values[${i}]`, value, why));
    }
  for (const [i, value] of values.entries()) {
    const wrong = labelValue(value);
    if (wrong.length > 0) errors.push(invalid(`values[${i}][${key}]`, value, wrong.join('; ')));
  }
  if (errors.length > 0) throw unparsable(formatFieldErrors(errors));
  return requirement;
}

function unparsable(why: string): PlatformError {
  return unreadable(`unable to parse requirement: ${why}`);
}

function unreadable(why: string): PlatformError {
  return new PlatformError('invalid', why, { details: { reason: 'BadRequest' } });
}
