import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPairProblem } from './key-pair.ts';

const block = (type: string): string => `-----BEGIN ${type}-----\nAAEC\n-----END ${type}-----\n`;

const CASES: readonly (readonly [string, string, string])[] = [
  ['', '', 'tls: failed to find any PEM data in certificate input'],
  [
    block('EC PRIVATE KEY'),
    '',
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ],
  [
    block('ODD'),
    '',
    'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [ODD]',
  ],
  [block('CERTIFICATE'), '', 'tls: failed to find any PEM data in key input'],
  [
    block('CERTIFICATE'),
    block('CERTIFICATE'),
    'tls: found a certificate rather than a key in the PEM for the private key',
  ],
  [block('CERTIFICATE'), block('PRIVATE KEY'), 'x509: malformed certificate'],
];

for (const [certificate, key, expected] of CASES) {
  test(`a pair: ${expected}`, () => {
    assert.equal(keyPairProblem(certificate, key), expected);
  });
}
