import { BLOCK, TYPE_FLAGS, type TarHeader } from './tar-format.ts';

const MAX_OCTAL_SIZE = 0o77777777777;

/** The header blocks of one entry: a ustar block, preceded by a pax record where ustar's fields are too small. */
export function encodeTarHeader(header: TarHeader): Buffer {
  const pax: [string, string][] = [];
  const place = placeName(header.name);
  if (place === undefined) pax.push(['path', header.name]);
  if (!fits(header.linkName, 100)) pax.push(['linkpath', header.linkName]);
  if (header.size > MAX_OCTAL_SIZE) pax.push(['size', String(header.size)]);
  if (header.uid > 0o7777777) pax.push(['uid', String(header.uid)]);
  if (header.gid > 0o7777777) pax.push(['gid', String(header.gid)]);

  const short = place ?? { name: truncate(header.name, 100), prefix: '' };
  const main = ustarBlock(
    { ...header, linkName: truncate(header.linkName, 100) },
    short,
    TYPE_FLAGS[header.type],
  );
  if (pax.length === 0) return main;

  const records = Buffer.concat(pax.map(([key, value]) => paxRecord(key, value)));
  const paxHeader: TarHeader = {
    ...header,
    name: 'PaxHeaders/entry',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: records.length,
    linkName: '',
  };
  const padding = Buffer.alloc((BLOCK - (records.length % BLOCK)) % BLOCK);
  return Buffer.concat([
    ustarBlock(paxHeader, { name: paxHeader.name, prefix: '' }, 'x'),
    records,
    padding,
    main,
  ]);
}

/** The two zero blocks that end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

function ustarBlock(header: TarHeader, place: { name: string; prefix: string }, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(place.name, 0, 100, 'utf8');
  octal(block, 100, 8, header.mode);
  octal(block, 108, 8, Math.min(header.uid, 0o7777777));
  octal(block, 116, 8, Math.min(header.gid, 0o7777777));
  octal(block, 124, 12, Math.min(header.size, MAX_OCTAL_SIZE));
  octal(block, 136, 12, Math.max(0, Math.min(Math.floor(header.mtime), MAX_OCTAL_SIZE)));
  block.fill(' ', 148, 156);
  block.write(flag, 156, 1, 'latin1');
  block.write(header.linkName, 157, 100, 'utf8');
  block.write('ustar\x0000', 257, 8, 'latin1');
  block.write(place.prefix, 345, 155, 'utf8');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

function octal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, length, 'latin1');
}

/** Splits a long name at a slash into ustar's prefix and name fields; undefined when it cannot be done. */
function placeName(name: string): { name: string; prefix: string } | undefined {
  if (fits(name, 100)) return { name, prefix: '' };
  if (!isAscii(name)) return undefined;
  for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
    const rest = name.length - slash - 1;
    if (slash > 0 && slash <= 155 && rest > 0 && rest <= 100) {
      return { prefix: name.slice(0, slash), name: name.slice(slash + 1) };
    }
  }
  return undefined;
}

/** ustar is defined for ASCII alone; other names travel as pax, which is UTF-8. */
function fits(text: string, bytes: number): boolean {
  return isAscii(text) && text.length <= bytes;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

function truncate(text: string, bytes: number): string {
  return isAscii(text) ? text.slice(0, bytes) : 'long-name';
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const body = Buffer.from(` ${key}=${value}\n`);
  let length = body.length + String(body.length).length;
  if (body.length + String(length).length > length) length = body.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}
