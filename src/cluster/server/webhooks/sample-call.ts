/**
 * A call to a program that is the other end of a pipe within this one: what Node needs for a first connection with TLS takes it five
 * milliseconds, in one go, that the first request for which a webhook is asked would have to wait for, and others with it. Both
 * ends know a key, so that nobody needs a certificate.
 */
import { Agent, type AgentOptions } from 'node:https';
import { Duplex } from 'node:stream';
import { TLSSocket, type PSKCallbackNegotation, type TLSSocketOptions } from 'node:tls';
import type { Clock } from '../../../base/clock.ts';
import { afterTurn, yieldToLoop } from '../../../base/yield-to-loop.ts';
import type { JsonObject } from '../../api/json.ts';
import { exchangeJson } from './json-exchange.ts';

const KEY = Buffer.alloc(32);
const CIPHERS = 'PSK';
const TIMEOUT_MS = 60_000;

interface Options extends AgentOptions {
  readonly socket: Duplex;
  readonly pskCallback: () => PSKCallbackNegotation;
}

/** What the other end has answered. */
export async function sampleCall(clock: Clock): Promise<JsonObject> {
  const [near, far] = pipe();
  const answering: TLSSocketOptions & { pskCallback: () => Buffer } = {
    isServer: true,
    ciphers: CIPHERS,
    pskCallback: () => KEY,
  };
  const server = new TLSSocket(far, answering);
  server.once('data', () => {
    server.end(
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{"allowed":true}',
    );
  });
  const options: Options = {
    socket: near,
    ciphers: CIPHERS,
    pskCallback: () => ({ psk: KEY, identity: 'sample' }),
    checkServerIdentity: () => undefined,
  };
  const agent = new Agent(options);
  try {
    await yieldToLoop();
    return await exchangeJson({
      method: 'POST',
      url: 'https://sample/',
      agent,
      host: 'sample',
      port: 443,
      path: '/',
      body: { sample: true },
      timeoutMs: TIMEOUT_MS,
      clock,
    });
  } finally {
    agent.destroy();
    server.destroy();
    near.destroy();
  }
}

/** What one end writes is at the other one a turn later, as between machines: each step of the handshake has a turn. */
function pipe(): [near: Duplex, far: Duplex] {
  const ends: [Duplex, Duplex] = [end(() => ends[1]), end(() => ends[0])];
  return ends;
}

function end(other: () => Duplex): Duplex {
  return new Duplex({
    read: () => {},
    write: (chunk, _encoding, done) =>
      afterTurn(() => {
        other().push(chunk);
        done();
      }),
    final: (done) =>
      afterTurn(() => {
        other().push(null);
        done();
      }),
  });
}
