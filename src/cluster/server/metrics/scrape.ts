/** What `/metrics` answers: written as it is sent, as there may be thousands of label sets. */
import type { Clock } from '../../../base/clock.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { ListBody } from '../encoding/list-body.ts';

/** Text that is sent at once. */
const PIECE_CHARACTERS = 32 * 1024;

/** `lines` are made as they are sent, those of one label set together. */
export function metricsResponse(lines: Iterable<string>, clock: Clock): ApiResponse {
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  return { status: 200, headers, body: new ListBody(() => textOf(lines, clock)) };
}

async function* textOf(parts: Iterable<string>, clock: Clock): AsyncGenerator<Uint8Array> {
  const slice = new Slice(clock);
  let text = '';
  for (const lines of parts) {
    text += lines;
    if (text.length >= PIECE_CHARACTERS) {
      yield Buffer.from(text);
      text = '';
    }
    if (slice.over) await slice.next();
  }
  yield Buffer.from(text);
}
