/** Somebody's OpenID Connect issuer, for tests: its documents over HTTPS, and tokens as it would sign them. */
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { JsonObject } from '../../../api/json.ts';
import { JsonServer } from '../../webhooks/testing/json-server.ts';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function signingKey(kid: string): SigningKey {
  return { kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** RS256, whatever the claims. */
export function signed(key: SigningKey, claims: JsonObject, header: JsonObject = {}): string {
  const text = `${encoded({ alg: 'RS256', kid: key.kid, ...header })}.${encoded(claims)}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key.privateKey, 'base64url')}`;
}

export class Issuer implements AsyncDisposable {
  readonly server: JsonServer;
  /** Those that it shows. */
  keys: readonly SigningKey[];
  /** JSON web keys beside them. */
  moreKeys: readonly object[] = [];
  /** It answers nothing at all. */
  silent = false;

  private constructor(server: JsonServer, keys: readonly SigningKey[]) {
    this.server = server;
    this.keys = keys;
  }

  static async open(...keys: readonly SigningKey[]): Promise<Issuer> {
    let issuer: Issuer | undefined;
    const server = await JsonServer.open(({ path }) => issuer?.answer(path));
    issuer = new Issuer(server, keys);
    return issuer;
  }

  answer(path: string): { status?: number; body: unknown } | undefined {
    if (this.silent) return undefined;
    if (path.endsWith('/.well-known/openid-configuration') || path === '/elsewhere') {
      return { body: { issuer: this.url, jwks_uri: `${this.url}/keys` } };
    }
    if (path !== '/keys') return { status: 404, body: 'no' };
    const keys = this.keys.map(({ kid, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      use: 'sig',
      alg: 'RS256',
    }));
    return { body: { keys: [...keys, ...this.moreKeys] } };
  }

  get url(): string {
    return this.server.url;
  }

  /** How often its keys were asked for. */
  get fetches(): number {
    return this.server.seen.filter(({ path }) => path === '/keys').length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
