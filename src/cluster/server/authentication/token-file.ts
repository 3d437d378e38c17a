/**
 * Tokens from a file: lines of `token,user,uid,"group1,group2"`
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file). Read once, as upstream does.
 */
import { PlatformError } from '../../../base/errors.ts';
import type { UserInfo } from '../../api/transport.ts';

/** Throws `invalid` with the line. The last line with a token counts; lines without one do not. */
export function parseTokenFile(bytes: Uint8Array): ReadonlyMap<string, UserInfo> {
  const tokens = new Map<string, UserInfo>();
  const text = new TextDecoder('utf-8', { fatal: false }).decode(bytes);
  for (const { line, fields } of records(text)) {
    if (fields.length < 3) {
      throw new PlatformError(
        'invalid',
        `line ${line}: token file must have at least 3 columns (token, user name, user uid), found ${fields.length}`,
      );
    }
    const [token = '', name = '', uid = '', groups = ''] = fields;
    if (token === '') continue;
    if (name === '') throw new PlatformError('invalid', `line ${line}: the user name is empty`);
    tokens.set(token, {
      name,
      groups: groups === '' ? [] : groups.split(','),
      ...(uid !== '' && { uid }),
    });
  }
  return tokens;
}

interface Record {
  readonly line: number;
  readonly fields: readonly string[];
}

/** RFC 4180, with a quoted field's quotes doubled. */
function* records(text: string): Generator<Record> {
  let line = 1;
  for (let at = 0; at < text.length;) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      if (text[at] === '"') {
        const match = /"((?:[^"]|"")*)"(?=,|\r?\n|\r?$)/y;
        match.lastIndex = at;
        const found = match.exec(text);
        if (found === null)
          throw new PlatformError('invalid', `line ${start}: a quoted field does not end well`);
        at = match.lastIndex;
        line += found[0].split('\n').length - 1;
        fields.push(found[1]!.replaceAll('""', '"'));
      } else {
        const end = /[^,\r\n]*/y;
        end.lastIndex = at;
        const [field = ''] = end.exec(text) ?? [];
        if (field.includes('"')) throw new PlatformError('invalid', `line ${start}: a bare " in a field`);
        at += field.length;
        fields.push(field);
      }
      if (text[at] !== ',') break;
      at++;
    }
    while (text[at] === '\r') at++;
    if (text[at] === '\n') {
      at++;
      line++;
    }
    // An empty line is no record.
    if (fields.length > 1 || fields[0] !== '') yield { line: start, fields };
  }
}
