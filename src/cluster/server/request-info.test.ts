import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseRequest } from './request-info.ts';

function brief(method: string, url: string): string {
  const { verb, group, version, namespace, resource, name, subresource } = parseRequest(method, url);
  return [verb, group, version, namespace, resource, name, subresource].join('|');
}

test('paths of resources', () => {
  assert.equal(brief('GET', '/api/v1/pods'), 'list||v1||pods||');
  assert.equal(brief('GET', '/api/v1/namespaces/a/pods?watch=true'), 'watch||v1|a|pods||');
  assert.equal(brief('GET', '/api/v1/namespaces/a/pods/p?watch=true'), 'get||v1|a|pods|p|');
  assert.equal(brief('GET', '/api/v1/watch/pods'), 'watch||v1||pods||');
  assert.equal(
    brief('GET', '/apis/apps/v1/watch/namespaces/a/deployments/web'),
    'watch|apps|v1|a|deployments|web|',
  );
  assert.equal(brief('GET', '/api/v1/namespaces/a/pods/b/log'), 'get||v1|a|pods|b|log');
  assert.equal(brief('POST', '/apis/apps/v1/namespaces/a/deployments'), 'create|apps|v1|a|deployments||');
  assert.equal(
    brief('PATCH', '/apis/apps/v1/namespaces/a/deployments/d/scale'),
    'patch|apps|v1|a|deployments|d|scale',
  );
  assert.equal(brief('DELETE', '/api/v1/namespaces/a/pods'), 'deletecollection||v1|a|pods||');
  assert.equal(brief('DELETE', '/api/v1/nodes/n'), 'delete||v1||nodes|n|');
});

test('namespaces are a resource and a scope', () => {
  assert.equal(brief('GET', '/api/v1/namespaces'), 'list||v1||namespaces||');
  assert.equal(brief('GET', '/api/v1/namespaces/a'), 'get||v1|a|namespaces|a|');
  assert.equal(brief('PUT', '/api/v1/namespaces/a/finalize'), 'update||v1|a|namespaces|a|finalize');
  assert.equal(brief('PATCH', '/api/v1/namespaces/a/status'), 'patch||v1|a|namespaces|a|status');
});

test('everything else is no resource', () => {
  for (const path of ['/api', '/api/v1', '/apis/apps', '/apis/apps/v1', '/version', '/', '/api/v1/%zz/x']) {
    assert.equal(parseRequest('GET', path).isResource, false, path);
  }
});

test('parts of a query with a semicolon, or badly escaped, are none', () => {
  const { query } = parseRequest('GET', '/api/v1/pods?limit=1;x=2&a=b&c=%zz&labelSelector=l%3Da+b');
  assert.deepEqual(Object.fromEntries(query), { a: 'b', labelSelector: 'l=a b' });
});

test('an empty segment is an empty name, an escaped slash a slash', () => {
  assert.equal(brief('GET', '/api/v1/namespaces//pods'), 'list||v1||pods||');
  assert.equal(brief('GET', '/api/v1/namespaces/a/pods//log'), 'list||v1|a|pods||log');
  assert.equal(brief('GET', '/api/v1/namespaces/a/pods/b//'), 'get||v1|a|pods|b|');
  assert.equal(brief('GET', '/api/v1/namespaces/a%2Fpods/b%25c'), 'get||v1|a|pods|b%c|');
  assert.equal(parseRequest('GET', '//api/v1/pods').isResource, false);
  assert.equal(parseRequest('GET', '/api/v1/nodes/n/proxy//a%2F/').subpath, '//a%2F/');
});
