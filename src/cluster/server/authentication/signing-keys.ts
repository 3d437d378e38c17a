/** The keys that tokens of service accounts are signed with, and those whose tokens are believed (RFC 7515, 7517). */
import { createHash, hash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { PlatformError } from '../../../base/errors.ts';
import type { JsonObject } from '../../api/json.ts';

const ALGORITHMS: Readonly<Record<string, string>> = { ec: 'ES256', rsa: 'RS256' };

interface Key {
  readonly id: string;
  readonly algorithm: string;
  readonly publicKey: KeyObject;
}

/** Signatures that are remembered; what is signed is at most as long as a header. */
const MAX_VERIFIED = 512;

interface Expected {
  readonly issuer: string;
  readonly now: Date;
}

export class SigningKeys {
  readonly algorithms: ReadonlySet<string>;
  readonly #signingKey: KeyObject;
  readonly #signer: Key;
  readonly #keys: readonly Key[];
  /**
   * What tokens say that one of the keys has signed, by their digests; the last used is the last. The keys stay the same,
   * so that nothing but time changes the verdict, and verifying costs as much as a small request. No other token gets here.
   */
  readonly #verified = new Map<string, JWTPayload>();

  /** PEM of an EC P-256 or RSA private key, which signs; and of others, public or private, whose tokens are believed. */
  constructor(signingKey: string, others: readonly string[] = []) {
    this.#signingKey = createPrivateKey(signingKey);
    this.#signer = keyOf(createPublicKey(this.#signingKey));
    this.#keys = [this.#signer, ...others.map((pem) => keyOf(createPublicKey(pem)))];
    this.algorithms = new Set(this.#keys.map(({ algorithm }) => algorithm));
  }

  async sign(payload: JsonObject): Promise<string> {
    const { SignJWT } = await import('jose');
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: this.#signer.algorithm, kid: this.#signer.id })
      .sign(this.#signingKey);
  }

  /** What a token of the issuer says. Throws when nobody here has signed it, or its time is not `now`. */
  async verify(token: string, expected: Expected): Promise<JWTPayload> {
    const digest = hash('sha256', token, 'base64');
    const known = this.#verified.get(digest);
    this.#verified.delete(digest);
    // Of the others the library says what is wrong with them.
    const payload =
      known !== undefined && isGood(known, expected) ? known : await this.#verifyAnew(token, expected);
    this.#verified.set(digest, payload);
    if (this.#verified.size > MAX_VERIFIED) this.#verified.delete(this.#verified.keys().next().value ?? '');
    return payload;
  }

  async #verifyAnew(token: string, expected: Expected): Promise<JWTPayload> {
    const { jwtVerify } = await import('jose');
    const { payload } = await jwtVerify(
      token,
      (header) => {
        const key = this.#keys.find(({ id, algorithm }) => id === header.kid && algorithm === header.alg);
        if (key === undefined)
          throw new PlatformError('unauthenticated', 'the token is not accepted: its key is not known');
        return key.publicKey;
      },
      { issuer: expected.issuer, currentDate: expected.now },
    );
    return payload;
  }

  /** A JSON Web Key Set. */
  async keySet(): Promise<JsonObject> {
    const { exportJWK } = await import('jose');
    const keys = await Promise.all(
      this.#keys.map(async ({ id, algorithm, publicKey }) => ({
        use: 'sig',
        kid: id,
        alg: algorithm,
        ...((await exportJWK(publicKey)) as JsonObject),
      })),
    );
    return { keys };
  }
}

/** As the library judges it: times are in whole seconds, and the end is not part of the time. */
function isGood({ iss, exp, nbf }: JWTPayload, { issuer, now }: Expected): boolean {
  const seconds = Math.floor(now.getTime() / 1000);
  return iss === issuer && (exp === undefined || exp > seconds) && (nbf === undefined || nbf <= seconds);
}

/** The key's id is the digest of its public half, as upstream's. */
function keyOf(publicKey: KeyObject): Key {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = ALGORITHMS[publicKey.asymmetricKeyType ?? ''];
  if (algorithm === undefined) {
    throw new PlatformError('invalid', 'service account key: want an RSA or an EC P-256 key');
  }
  return { id: createHash('sha256').update(der).digest('base64url'), algorithm, publicKey };
}
