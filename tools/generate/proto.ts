/** The part of the protobuf language (proto2 and proto3) that Kubernetes' published definitions use, as a syntax tree. */
export interface ProtoField {
  readonly name: string;
  readonly number: number;
  /** As written: `string`, `.k8s.io.api.core.v1.Pod`, `Pod`. The value type of a map. */
  readonly type: string;
  readonly kind: 'single' | 'list' | 'map';
  /** Lines of the leading comment, without slashes. */
  readonly comment: readonly string[];
}

export interface ProtoEnum {
  readonly name: string;
  readonly values: readonly { readonly name: string; readonly number: number }[];
}

export interface ProtoMessage {
  readonly name: string;
  readonly fields: readonly ProtoField[];
  readonly messages: readonly ProtoMessage[];
  readonly enums: readonly ProtoEnum[];
  readonly comment: readonly string[];
}

export interface ProtoFile {
  readonly package: string;
  readonly messages: readonly ProtoMessage[];
  readonly enums: readonly ProtoEnum[];
}

interface Token {
  readonly text: string;
  /** Comment lines between the previous token and this one. */
  readonly comment: readonly string[];
  readonly line: number;
}

const TOKEN =
  /\/\/([^\n]*)|\/\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z0-9_.+-]+|[{}[\]()<>=;,:]|\s+/y;

function tokenize(source: string, file: string): Token[] {
  const tokens: Token[] = [];
  let comment: string[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    if (match === null)
      throw new Error(`${file}:${line}: unexpected character ${JSON.stringify(source[at])}`);
    const text = match[0];
    if (match[1] !== undefined) comment.push(match[1].trim());
    else if (!text.startsWith('/*') && text.trim() !== '') {
      tokens.push({ text, comment, line });
      comment = [];
    }
    for (const character of text) if (character === '\n') line++;
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;

  constructor(source: string, file: string) {
    this.#tokens = tokenize(source, file);
    this.#file = file;
  }

  parse(): ProtoFile {
    let packageName = '';
    const messages: ProtoMessage[] = [];
    const enums: ProtoEnum[] = [];
    while (this.#at < this.#tokens.length) {
      const token = this.#next();
      if (token.text === 'package') packageName = this.#next().text;
      else if (token.text === 'message') messages.push(this.#message(token.comment));
      else if (token.text === 'enum') enums.push(this.#enum());
      else if (token.text === 'service' || token.text === 'extend') this.#skipBlock();
      else if (token.text !== ';') this.#skipStatement();
    }
    return { package: packageName, messages, enums };
  }

  #message(comment: readonly string[]): ProtoMessage {
    const name = this.#next().text;
    const fields: ProtoField[] = [];
    const messages: ProtoMessage[] = [];
    const enums: ProtoEnum[] = [];
    this.#expect('{');
    this.#body(fields, messages, enums);
    return { name, fields, messages, enums, comment };
  }

  /** The members up to the closing brace; the members of a `oneof` count as fields of the message. */
  #body(fields: ProtoField[], messages: ProtoMessage[], enums: ProtoEnum[]): void {
    for (;;) {
      const token = this.#next();
      if (token.text === '}') return;
      if (token.text === ';') continue;
      if (token.text === 'message') messages.push(this.#message(token.comment));
      else if (token.text === 'enum') enums.push(this.#enum());
      else if (token.text === 'oneof') {
        this.#next();
        this.#expect('{');
        this.#body(fields, messages, enums);
      } else if (token.text === 'option' || token.text === 'reserved' || token.text === 'extensions') {
        this.#skipStatement();
      } else fields.push(this.#field(token));
    }
  }

  #field(first: Token): ProtoField {
    let kind: ProtoField['kind'] = 'single';
    let type = first.text;
    if (type === 'repeated' || type === 'optional' || type === 'required') {
      if (type === 'repeated') kind = 'list';
      type = this.#next().text;
    }
    if (type === 'map') {
      kind = 'map';
      this.#expect('<');
      this.#next();
      this.#expect(',');
      type = this.#next().text;
      this.#expect('>');
    }
    const name = this.#next().text;
    this.#expect('=');
    const number = Number(this.#next().text);
    this.#skipStatement();
    return { name, number, type, kind, comment: first.comment };
  }

  #enum(): ProtoEnum {
    const name = this.#next().text;
    const values: { name: string; number: number }[] = [];
    this.#expect('{');
    for (;;) {
      const token = this.#next().text;
      if (token === '}') return { name, values };
      if (token === ';') continue;
      if (token === 'option' || token === 'reserved') {
        this.#skipStatement();
        continue;
      }
      this.#expect('=');
      values.push({ name: token, number: Number(this.#next().text) });
      this.#skipStatement();
    }
  }

  #skipStatement(): void {
    let depth = 0;
    for (;;) {
      const { text } = this.#next();
      if (text === '{') depth++;
      else if (text === '}') depth--;
      else if (text === ';' && depth === 0) return;
    }
  }

  #skipBlock(): void {
    let depth = 0;
    for (;;) {
      const { text } = this.#next();
      if (text === '{') depth++;
      else if (text === '}' && --depth === 0) return;
    }
  }

  #next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error(`${this.#file}: unexpected end of file`);
    return token;
  }

  #expect(text: string): void {
    const token = this.#next();
    if (token.text !== text) {
      throw new Error(`${this.#file}:${token.line}: expected ${text}, found ${token.text}`);
    }
  }
}

/** Parses one `.proto` file; throws with file and line on anything it does not know. */
export function parseProto(source: string, file: string): ProtoFile {
  return new Parser(source, file).parse();
}
