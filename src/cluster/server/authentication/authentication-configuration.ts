/** AuthenticationConfiguration (apiserver.config.k8s.io): issuers of tokens, and who may come without any (KEP-3331, KEP-4633). */
import { X509Certificate } from 'node:crypto';
import { CelError, type Program } from '../../api/cel/program.ts';
import { duplicate, fieldErrorsError, invalid, required, type FieldError } from '../../api/field-error.ts';
import { listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { decodeConfiguration, type Fields, type Shape } from '../configuration/decode-configuration.ts';
import { compileFor, looksAt } from './oidc/expressions.ts';
import type { JwtIssuer, Mapping, Rule } from './oidc/jwt-authenticator.ts';

export interface AuthenticationConfiguration {
  readonly issuers: readonly JwtIssuer[];
  /** Undefined: anonymous requests are let in, as without a configuration. */
  readonly anonymous?: AnonymousConfiguration;
}

export interface AnonymousConfiguration {
  readonly enabled: boolean;
  /** Paths that they are let in for; all when there is none. */
  readonly paths: readonly string[];
}

const MAPPING: Shape = { fields: { claim: 'string', prefix: 'string', expression: 'string' } };
const SHAPE: Fields = {
  fields: {
    anonymous: { fields: { enabled: 'bool', conditions: { listOf: { fields: { path: 'string' } } } } },
    jwt: {
      listOf: {
        fields: {
          issuer: {
            fields: {
              url: 'string',
              discoveryURL: 'string',
              certificateAuthority: 'string',
              audiences: 'strings',
              audienceMatchPolicy: 'string',
              egressSelectorType: 'string',
            },
          },
          claimValidationRules: {
            listOf: {
              fields: { claim: 'string', requiredValue: 'string', expression: 'string', message: 'string' },
            },
          },
          claimMappings: {
            fields: {
              username: MAPPING,
              groups: MAPPING,
              uid: { fields: { claim: 'string', expression: 'string' } },
              extra: { listOf: { fields: { key: 'string', valueExpression: 'string' } } },
            },
          },
          userValidationRules: { listOf: { fields: { expression: 'string', message: 'string' } } },
        },
      },
    },
  },
};
const KIND = { kind: 'AuthenticationConfiguration', versions: ['v1', 'v1beta1', 'v1alpha1'], shape: SHAPE };
const MAX_ISSUERS = 64;

/**
 * `reserved` are issuers whose tokens this server knows by itself. Throws `invalid` with every field that is wrong.
 */
export async function parseAuthenticationConfiguration(
  bytes: Uint8Array,
  reserved: readonly string[],
): Promise<AuthenticationConfiguration> {
  const config = await decodeConfiguration(bytes, KIND);
  const entries = objectsAt(config, 'jwt');
  if (entries.length > MAX_ISSUERS) {
    const detail = `must have at most ${MAX_ISSUERS} items`;
    throw fieldErrorsError([{ type: 'Too many', field: 'jwt', value: entries.length, detail }]);
  }
  const errors: FieldError[] = [];
  const seen = { urls: new Set<string>(), discoveryUrls: new Set<string>() };
  const issuers = entries.map((entry, i) => {
    const at = `jwt[${i}]`;
    const issuer = new EntryParser(entry, at, errors).issuer(reserved);
    if (seen.urls.has(issuer.url)) errors.push(duplicate(`${at}.issuer.url`, issuer.url));
    seen.urls.add(issuer.url);
    const { discoveryUrl } = issuer;
    if (discoveryUrl === undefined) return issuer;
    if (seen.discoveryUrls.has(discoveryUrl))
      errors.push(duplicate(`${at}.issuer.discoveryURL`, discoveryUrl));
    seen.discoveryUrls.add(discoveryUrl);
    return issuer;
  });
  const anonymous = anonymousOf(config, errors);
  if (errors.length > 0) throw fieldErrorsError(errors);
  return { issuers, ...(anonymous !== undefined && { anonymous }) };
}

function anonymousOf(config: JsonObject, errors: FieldError[]): AnonymousConfiguration | undefined {
  if (config['anonymous'] === undefined || config['anonymous'] === null) return undefined;
  const enabled = objectAt(config, 'anonymous')['enabled'] === true;
  const conditions = objectsAt(config, 'anonymous', 'conditions');
  if (!enabled && conditions.length > 0) {
    const why = 'enabled should be set to true when conditions are defined';
    errors.push(invalid('anonymous.conditions', [...conditions], why));
  }
  return { enabled, paths: conditions.map((condition) => stringAt(condition, 'path')) };
}

const BOTH = "claim and expression can't both be set";
const EITHER = 'claim or expression is required';

class EntryParser {
  readonly #entry: JsonObject;
  readonly #at: string;
  readonly #errors: FieldError[];
  #email = false;
  #emailVerified = false;

  constructor(entry: JsonObject, at: string, errors: FieldError[]) {
    this.#entry = entry;
    this.#at = at;
    this.#errors = errors;
  }

  issuer(reserved: readonly string[]): JwtIssuer {
    const issuer = objectAt(this.#entry, 'issuer');
    const at = `${this.#at}.issuer`;
    const url = stringAt(issuer, 'url');
    const discoveryUrl = stringAt(issuer, 'discoveryURL');
    if (url === '') this.#errors.push(required(`${at}.url`));
    else this.#errors.push(...urlProblems(url, `${at}.url`, reserved));
    if (discoveryUrl !== '') {
      if (url !== '' && url.replace(/\/+$/, '') === discoveryUrl.replace(/\/+$/, '')) {
        this.#errors.push(
          invalid(`${at}.discoveryURL`, discoveryUrl, 'discoveryURL must be different from URL'),
        );
      }
      this.#errors.push(...urlProblems(discoveryUrl, `${at}.discoveryURL`, []));
    }
    const audiences = listAt(issuer, 'audiences') as string[];
    this.#errors.push(...audienceProblems(audiences, stringAt(issuer, 'audienceMatchPolicy'), at));
    const ca = stringAt(issuer, 'certificateAuthority');
    if (ca !== '' && !isCertificate(ca)) {
      const why = 'data does not contain any valid RSA or ECDSA certificates';
      this.#errors.push(invalid(`${at}.certificateAuthority`, '<omitted>', why));
    }
    const egress = stringAt(issuer, 'egressSelectorType');
    if (egress !== '') {
      const why = 'egress selectors are not supported by this server';
      this.#errors.push(invalid(`${at}.egressSelectorType`, egress, why));
    }
    return {
      url,
      ...(discoveryUrl !== '' && { discoveryUrl }),
      ...(ca !== '' && { ca }),
      audiences,
      ...this.#claimRules(),
      ...this.#mappings(),
      userRules: this.#userRules(),
    };
  }

  #claimRules(): Pick<JwtIssuer, 'requiredClaims' | 'claimRules'> {
    const requiredClaims = new Map<string, string>();
    const claimRules: Rule[] = [];
    const seen = new Set<string>();
    objectsAt(this.#entry, 'claimValidationRules').forEach((rule, i) => {
      const at = `${this.#at}.claimValidationRules[${i}]`;
      const [claim, value] = [stringAt(rule, 'claim'), stringAt(rule, 'requiredValue')];
      const [text, message] = [stringAt(rule, 'expression'), stringAt(rule, 'message')];
      if (claim !== '' && text !== '') this.#errors.push(invalid(at, claim, BOTH));
      else if (claim === '' && text === '') this.#errors.push(required(at, EITHER));
      else if (claim !== '') {
        if (message !== '') {
          this.#errors.push(invalid(`${at}.message`, message, 'may not be specified when claim is set'));
        }
        if (requiredClaims.has(claim)) this.#errors.push(duplicate(`${at}.claim`, claim));
        requiredClaims.set(claim, value);
      } else {
        if (value !== '') {
          const why = 'may not be specified when expression is set';
          this.#errors.push(invalid(`${at}.requiredValue`, value, why));
        }
        if (seen.has(text)) {
          this.#errors.push(duplicate(`${at}.expression`, text));
          return;
        }
        seen.add(text);
        const program = this.#compile(text, `${at}.expression`, ['claims', 'bool']);
        if (program === undefined) return;
        claimRules.push({ program, message });
        this.#emailVerified ||= looksAt(program, 'email_verified');
      }
    });
    return { requiredClaims, claimRules };
  }

  #mappings(): Pick<JwtIssuer, 'username' | 'groups' | 'uid' | 'extra'> {
    const at = `${this.#at}.claimMappings`;
    const username = this.#mapping('username', at);
    if (username === undefined && !this.#isSet('username')) {
      this.#errors.push(required(`${at}.username`, EITHER));
    }
    if (username !== undefined && 'program' in username) {
      this.#email = looksAt(username.program, 'email');
      this.#emailVerified ||= looksAt(username.program, 'email_verified');
    }
    const groups = this.#mapping('groups', at);
    const uid = this.#mapping('uid', at);
    const extra = this.#extra(at);
    if (this.#email && !this.#emailVerified) {
      const why =
        'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression';
      const text = stringAt(this.#entry, 'claimMappings', 'username', 'expression');
      this.#errors.push(invalid(`${at}.username.expression`, text, why));
    }
    return {
      username: username ?? { claim: '', prefix: '' },
      ...(groups !== undefined && { groups }),
      ...(uid !== undefined && { uid }),
      extra,
    };
  }

  #isSet(name: string): boolean {
    const mapping = objectAt(this.#entry, 'claimMappings', name);
    return stringAt(mapping, 'claim') !== '' || stringAt(mapping, 'expression') !== '';
  }

  #mapping(name: 'username' | 'groups' | 'uid', base: string): Mapping | undefined {
    const mapping = objectAt(this.#entry, 'claimMappings', name);
    const [claim, text, prefix] = [
      stringAt(mapping, 'claim'),
      stringAt(mapping, 'expression'),
      mapping['prefix'],
    ];
    const at = `${base}.${name}`;
    if (claim !== '' && text !== '') this.#errors.push(invalid(at, '', BOTH));
    else if (text !== '') {
      if (typeof prefix === 'string') {
        this.#errors.push(invalid(`${at}.prefix`, prefix, 'may not be specified when expression is set'));
      }
      const program = this.#compile(text, `${at}.expression`, ['claims']);
      return program && { program };
    } else if (claim !== '') {
      if (name !== 'uid' && typeof prefix !== 'string') {
        const why =
          'prefix is required when claim is set. It can be set to an empty string to disable prefixing';
        this.#errors.push(required(`${at}.prefix`, why));
      }
      return { claim, prefix: typeof prefix === 'string' ? prefix : '' };
    }
    return undefined;
  }

  #extra(base: string): JwtIssuer['extra'] {
    const seen = new Set<string>();
    return objectsAt(this.#entry, 'claimMappings', 'extra').flatMap((mapping, i) => {
      const at = `${base}.extra[${i}]`;
      const [key, text] = [stringAt(mapping, 'key'), stringAt(mapping, 'valueExpression')];
      this.#errors.push(...keyProblems(key, `${at}.key`));
      if (seen.has(key)) {
        this.#errors.push(duplicate(`${at}.key`, key));
        return [];
      }
      seen.add(key);
      if (text === '') {
        this.#errors.push(required(`${at}.valueExpression`));
        return [];
      }
      const value = this.#compile(text, `${at}.valueExpression`, ['claims']);
      if (value === undefined) return [];
      this.#emailVerified ||= looksAt(value, 'email_verified');
      return [{ key, value }];
    });
  }

  #userRules(): readonly Rule[] {
    const seen = new Set<string>();
    return objectsAt(this.#entry, 'userValidationRules').flatMap((rule, i) => {
      const at = `${this.#at}.userValidationRules[${i}].expression`;
      const [text, message] = [stringAt(rule, 'expression'), stringAt(rule, 'message')];
      if (text === '') this.#errors.push(required(at));
      else if (seen.has(text)) this.#errors.push(duplicate(at, text));
      else {
        seen.add(text);
        const program = this.#compile(text, at, ['user', 'bool']);
        if (program !== undefined) return [{ program, message }];
      }
      return [];
    });
  }

  #compile(
    text: string,
    at: string,
    [about, wanted]: readonly ['claims' | 'user', 'bool'?],
  ): Program | undefined {
    try {
      return compileFor(text, about, wanted);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.#errors.push(invalid(at, text, error.message));
      return undefined;
    }
  }
}

function urlProblems(text: string, at: string, reserved: readonly string[]): FieldError[] {
  const problem = (why: string): FieldError => invalid(at, text, why);
  if (reserved.includes(text)) {
    return [problem(`URL must not overlap with disallowed issuers: [${reserved.join(' ')}]`)];
  }
  if (!URL.canParse(text)) return [problem('URL scheme must be https')];
  const url = new URL(text);
  return [
    ...(url.protocol === 'https:' ? [] : [problem('URL scheme must be https')]),
    ...(url.username === '' && url.password === ''
      ? []
      : [problem('URL must not contain a username or password')]),
    ...(url.search === '' ? [] : [problem('URL must not contain a query')]),
    ...(url.hash === '' ? [] : [problem('URL must not contain a fragment')]),
  ];
}

function audienceProblems(audiences: readonly string[], policy: string, issuer: string): FieldError[] {
  const at = `${issuer}.audiences`;
  if (audiences.length === 0) return [required(at, `at least one ${at} is required`)];
  const errors: FieldError[] = [];
  audiences.forEach((audience, i) => {
    if (audience === '') errors.push(required(`${at}[${i}]`));
    if (audiences.indexOf(audience) < i) errors.push(duplicate(`${at}[${i}]`, audience));
  });
  if (audiences.length > 1 && policy !== 'MatchAny') {
    const why = 'audienceMatchPolicy must be MatchAny for multiple audiences';
    errors.push(invalid(`${issuer}.audienceMatchPolicy`, policy, why));
  }
  if (audiences.length === 1 && policy !== '' && policy !== 'MatchAny') {
    const why = 'audienceMatchPolicy must be empty or MatchAny for single audience';
    errors.push(invalid(`${issuer}.audienceMatchPolicy`, policy, why));
  }
  return errors;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).publicKey.asymmetricKeyType !== undefined;
  } catch {
    return false;
  }
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

function keyProblems(key: string, at: string): FieldError[] {
  const [domain = '', path = ''] = /^([^/]*)\/(.*)$/s.exec(key)?.slice(1) ?? [];
  const errors: FieldError[] = [];
  if (key === '') errors.push(required(at));
  else if (domain === '' || path === '') {
    errors.push(invalid(at, key, 'must be a domain-prefixed path (such as "acme.io/foo")'));
  } else if (!SUBDOMAIN.test(domain.toLowerCase())) {
    errors.push(invalid(at, domain, 'must be a domain-prefixed path (such as "acme.io/foo")'));
  } else if (!PATH.test(path)) {
    errors.push(
      invalid(at, path, "must consist of alphanumeric characters, '-', '.', '_', '~' and the like"),
    );
  }
  if (key !== key.toLowerCase()) errors.push(invalid(at, key, 'must be lowercase'));
  if (/^(?:.*\.)?(?:k8s|kubernetes)\.io$/.test(domain)) {
    const why = 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use';
    errors.push(invalid(at, key, why));
  }
  return errors;
}
