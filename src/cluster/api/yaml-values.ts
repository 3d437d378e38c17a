/** What Go makes of the nodes of a YAML document, and what it refuses about them. */
import type * as Yaml from 'yaml';
import type { Alias, Document, LineCounter, Node, Scalar, YAMLMap } from 'yaml';
import { goSyntax } from './go-text.ts';
import { setOwn, type JsonObject, type JsonValue } from './json.ts';
import { hasHalf, parserProblem, scannerProblem } from './yaml-problem.ts';

const CORE = 'tag:yaml.org,2002:';
/** What values with these tags have to be. */
const TYPES: Readonly<Record<string, string>> = {
  [`${CORE}int`]: 'number',
  [`${CORE}float`]: 'number',
  [`${CORE}bool`]: 'boolean',
};
const NO_MAP = 'map merge requires map or sequence of maps as the value';
const TOO_MANY = 'document contains excessive aliasing';

/** So many nodes may be those of aliases, however small a part of all they are. */
const MAX_ALIASED = 50_000;

/** It is YAML, but nothing that JSON could say. */
export class NotJson extends Error {}

/** By what is a key of its own: 1 and "1" are two. */
type Members = Map<unknown, readonly [key: string, value: JsonValue]>;

export class YamlValues {
  /** Keys that came before in the same map, in their order. */
  readonly twice: { readonly line: number; readonly key: string }[] = [];
  readonly #yaml: typeof Yaml;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #targets = new Map<Node, Node>();
  /** Nodes of anchors that are being read. */
  readonly #open = new Set<Node>();
  #read = 0;
  #aliased = 0;
  #depth = 0;

  constructor(yaml: typeof Yaml, text: string, lines: LineCounter) {
    this.#yaml = yaml;
    this.#text = text;
    this.#lines = lines;
  }

  /** Throws Error in Go's words. */
  of(document: Document): JsonValue {
    const anchors = new Map<string, Node>();
    this.#yaml.visit(document, {
      Node: (_key, node) => {
        const isAlias = this.#yaml.isAlias(node);
        const name = isAlias ? node.source : (node as Scalar).anchor;
        if (name === undefined) return;
        if (!/^[\w-]+$/.test(name))
          throw new Error(
            scannerProblem(this.#lineOf(node), 'did not find expected alphabetic or numeric character'),
          );
        if (!isAlias) anchors.set(name, node);
        else if (anchors.has(name)) this.#targets.set(node, anchors.get(name)!);
        else throw new Error(`unknown anchor '${name}' referenced`);
      },
    });
    return this.#value(document.contents);
  }

  #value(node: unknown): JsonValue {
    const { isAlias, isMap, isScalar, isSeq } = this.#yaml;
    this.#read++;
    if (this.#depth > 0) this.#aliased++;
    const isBomb = this.#aliased > 100 && this.#read > 1000 && this.#aliased / this.#read > 0.99;
    if (isBomb || this.#aliased > MAX_ALIASED) throw new Error(TOO_MANY);
    if (isAlias(node)) return this.#alias(node, (target) => this.#value(target));
    if (isScalar(node)) return this.#scalar(node);
    if (!isMap(node) && !isSeq(node)) return null;
    this.#open.add(node);
    const value = isMap(node) ? this.#object(node) : node.items.map((item) => this.#value(item));
    this.#open.delete(node);
    return value;
  }

  #alias<T>(node: Alias, read: (target: Node) => T): T {
    const target = this.#targets.get(node)!;
    if (this.#open.has(target)) throw new Error(`anchor '${node.source}' value contains itself`);
    this.#depth++;
    const value = read(target);
    this.#depth--;
    return value;
  }

  #scalar({ type, range, tag = '', value, source = '' }: Scalar): JsonValue {
    const wanted = Object.hasOwn(TYPES, tag) ? TYPES[tag] : undefined;
    const isWrong =
      tag === `${CORE}null`
        ? !/^(?:~|null|Null|NULL)?$/.test(source)
        : wanted !== undefined && (typeof value !== wanted || isNoNumber(value, source));
    if (isWrong) throw new Error(`cannot decode !!str \`${source}\` as a !!${tag.slice(CORE.length)}`);
    const [from, to] = type === 'QUOTE_DOUBLE' && range ? range : [0, 0];
    if (hasHalf(this.#text.slice(from, to)))
      throw new Error(
        scannerProblem(this.#lines.linePos(from).line, 'found invalid Unicode character escape code'),
      );
    if (typeof value === 'number' && !Number.isFinite(value)) {
      const shown = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
      throw new NotJson(`json: unsupported value: ${shown}`);
    }
    return typeof value === 'symbol' ? source : (value as JsonValue);
  }

  #object(node: YAMLMap): JsonObject {
    const members: Members = new Map();
    this.#fill(members, node);
    const object: JsonObject = {};
    for (const [key, value] of members.values()) setOwn(object, key, value);
    return object;
  }

  /** What is merged counts where it stands: what comes later wins. */
  #fill(members: Members, { items, flow }: YAMLMap): void {
    for (const pair of items) {
      const key = this.#yaml.isAlias(pair.key) ? this.#targets.get(pair.key)! : (pair.key as Node);
      if (this.#yaml.isCollection(key))
        throw new Error(`invalid map key: ${goSyntax(this.#value(key), 'interface {}')}`);
      const scalar = key as Scalar;
      if (typeof scalar.value === 'symbol') {
        this.#merge(members, pair.value);
        continue;
      }
      const [from = 0] = scalar.range ?? [];
      const isMissing = scalar.source === '' && scalar.type === 'PLAIN' && flow !== true;
      if (isMissing && !/\?\s*$/.test(this.#text.slice(Math.max(0, from - 80), from)))
        throw new Error(parserProblem(this.#lineOf(scalar) - 1, 'did not find expected key'));
      const text = keyText(scalar);
      const value = this.#value(pair.value);
      if (typeof text !== 'string') {
        const shown = scalar.value === null ? '<nil>' : `0x${BigInt(scalar.source!).toString(16)}`;
        throw new NotJson(
          `unsupported map key of type: ${text.type}, key: ${shown}, value: ${goSyntax(value, 'interface {}')}`,
        );
      }
      if (members.has(scalar.value))
        this.twice.push({ line: this.#lineOf(scalar), key: JSON.stringify(scalar.value) });
      members.set(scalar.value, [text, value]);
    }
  }

  #merge(members: Members, node: unknown): void {
    const { isAlias, isMap, isSeq } = this.#yaml;
    const one = (each: unknown): void => {
      if (isAlias(each)) return this.#alias(each, (target) => one(isMap(target) ? target : undefined));
      if (!isMap(each)) throw new Error(NO_MAP);
      this.#open.add(each);
      this.#fill(members, each);
      this.#open.delete(each);
    };
    // The first of several wins.
    if (isSeq(node)) node.items.toReversed().forEach(one);
    else one(node);
  }

  #lineOf({ range }: Node): number {
    return this.#lines.linePos(range?.[0] ?? 0).line;
  }
}

/** What a tag has made a number that is none. */
function isNoNumber(value: unknown, source: string): boolean {
  return Number.isNaN(value) && !/^\.nan$/i.test(source);
}

/** A key of JSON; or Go's name of the type, which none can be of. */
function keyText({ value, source = '' }: Scalar): string | { readonly type: string } {
  if (value === null) return { type: '%!s(<nil>)' };
  if (typeof value !== 'number') return `${value as string | boolean}`;
  const isWhole = /^[-+]?(?:0x[\da-f_]+|0[ob][\d_]+|\d[\d_]*)$/i.test(source);
  if (isWhole && value < 2 ** 63 && value >= -(2 ** 63)) return String(value);
  if (isWhole && value >= 0 && value <= 2 ** 64 && BigInt(source.replaceAll(/[_+]/g, '')) < 2n ** 64n)
    return { type: 'uint64' };
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
  return floatText(Math.fround(value));
}

/** As Go writes a number of 32 bits where it is short: with an exponent from a million on. */
function floatText(value: number): string {
  const digits = Array.from({ length: 9 }, (_, i) => value.toPrecision(i + 1));
  const shortest = Number(digits.find((text) => Math.fround(Number(text)) === value) ?? value);
  const [, mantissa = '', sign = '', exponent = ''] = /^(.*)e([-+])(\d+)$/.exec(shortest.toExponential())!;
  const power = Number(`${sign}${exponent}`);
  return power < -4 || power >= 6 ? `${mantissa}e${sign}${exponent.padStart(2, '0')}` : String(shortest);
}
