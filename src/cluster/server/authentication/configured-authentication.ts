/** What an AuthenticationConfiguration file makes, and makes anew when it changes. */
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { FileAccess } from '../configuration/file-access.ts';
import { followFile } from '../configuration/followed-file.ts';
import {
  parseAuthenticationConfiguration,
  type AnonymousConfiguration,
} from './authentication-configuration.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { JwtAuthenticator, meantIssuer } from './oidc/jwt-authenticator.ts';
import { issuerOf } from './unverified.ts';

export interface ConfiguredAuthentication extends AsyncDisposable {
  readonly tokens: TokenAuthenticator;
  /** Undefined: the file does not say. */
  anonymous(): AnonymousConfiguration | undefined;
}

export interface ConfiguredAuthenticationOptions {
  readonly path: string;
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly log: Logger;
  /** Issuers whose tokens this server knows by itself. */
  readonly reserved: readonly string[];
  readonly reloaded?: (succeeded: boolean) => void;
  /** After each token of an issuer that the file names. */
  readonly judged?: (issuer: string, succeeded: boolean, ms: number) => void;
}

interface Version extends Disposable {
  readonly issuers: ReadonlyMap<string, JwtAuthenticator>;
  readonly anonymous: AnonymousConfiguration | undefined;
}

/** Throws `invalid` when the file cannot be used. No issuer is asked for anything yet. */
export async function configuredAuthentication(
  options: ConfiguredAuthenticationOptions,
): Promise<ConfiguredAuthentication> {
  const { clock, reserved, judged } = options;
  const followed = await followFile<Version>({
    ...options,
    async load(content) {
      const { issuers, anonymous } = await parseAuthenticationConfiguration(content, reserved);
      const made = new Map(issuers.map((issuer) => [issuer.url, new JwtAuthenticator(issuer, clock)]));
      return {
        issuers: made,
        anonymous,
        [Symbol.dispose]() {
          for (const issuer of made.values()) issuer[Symbol.dispose]();
        },
      };
    },
  });
  return {
    anonymous: () => followed.current.anonymous,
    tokens: {
      async authenticate(token) {
        const url = meantIssuer(issuerOf(token) ?? '');
        const issuer = followed.current.issuers.get(url);
        if (issuer === undefined) return undefined;
        const began = clock.monotonic();
        let succeeded = false;
        try {
          const user = await issuer.authenticate(token);
          succeeded = true;
          return { user };
        } finally {
          judged?.(url, succeeded, clock.monotonic() - began);
        }
      },
    },
    [Symbol.asyncDispose]: () => followed[Symbol.asyncDispose](),
  };
}
