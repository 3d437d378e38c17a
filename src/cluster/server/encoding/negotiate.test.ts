import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isPlatformError } from '../../../base/errors.ts';
import {
  acceptsGzip,
  aggregatedFormat,
  bodyFormat,
  negotiate,
  patchFormat,
  preferredType,
  PROTOBUF,
} from './negotiate.ts';

const shapeOf = (accept: string | undefined): string =>
  negotiate(accept, { protobuf: false, table: true }).shape;

test('what kubectl get accepts is a table', () => {
  const kubectl =
    'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
  assert.equal(shapeOf(kubectl), 'table');
  assert.equal(shapeOf('application/json;as=Table;v=v2;g=meta.k8s.io,application/json'), 'object');
  assert.equal(shapeOf('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'), 'metadata');
});

test('tables and metadata go by their older name too', () => {
  const offered = { protobuf: false, table: true };
  const accept = 'application/json;as=Table;v=v1beta1;g=meta.k8s.io';
  assert.deepEqual(negotiate(accept, offered), {
    shape: 'table',
    format: 'json',
    metaVersion: 'meta.k8s.io/v1beta1',
  });
  assert.throws(() => negotiate(accept, { ...offered, table: false }), /media types are accepted/);
});

test('metadata of a list has another name than that of an object', () => {
  const of = (as: string, list: boolean): string | undefined =>
    negotiate(`application/json;as=${as};v=v1;g=meta.k8s.io`, {
      protobuf: false,
      table: true,
      metadataOf: { type: 'core.Pod', list },
    }).unshown;
  assert.equal(of('PartialObjectMetadata', false), undefined);
  assert.equal(of('PartialObjectMetadataList', true), undefined);
  assert.equal(
    of('PartialObjectMetadata', true),
    'you requested PartialObjectMetadata, but the requested object is a list (*core.PodList)',
  );
  assert.equal(
    of('PartialObjectMetadataList', false),
    'you requested PartialObjectMetadataList, but the requested object is not a list (*core.Pod)',
  );
});

test('protobuf is answered where there is a schema', () => {
  const protobuf = 'application/vnd.kubernetes.protobuf';
  assert.deepEqual(negotiate(`${protobuf},application/json`, { protobuf: true, table: true }), {
    shape: 'object',
    format: 'protobuf',
    metaVersion: 'meta.k8s.io/v1',
  });
  assert.deepEqual(negotiate(`${protobuf},application/json`, { protobuf: false, table: true }), {
    shape: 'object',
    format: 'json',
    metaVersion: 'meta.k8s.io/v1',
  });
  assert.deepEqual(
    negotiate(`${protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`, { protobuf: true, table: true }),
    {
      shape: 'metadata',
      format: 'protobuf',
      metaVersion: 'meta.k8s.io/v1',
    },
  );
  assert.equal(shapeOf(undefined), 'object');
  assert.equal(shapeOf('text/html, */*;q=0.1'), 'object');
  assert.throws(
    () => shapeOf('application/vnd.kubernetes.protobuf'),
    (error) => isPlatformError(error, 'invalid'),
  );
  assert.equal(shapeOf('application/json;q=0'), 'object', 'a quality of 0 comes last, and is not refused');
  assert.equal(shapeOf('application/json;q=abc'), 'object');
  for (const type of ['application/*', 'APPLICATION/JSON', 'text/plain'])
    assert.throws(
      () => negotiate(type, { protobuf: true, table: true }),
      /^PlatformError: 406: Not Acceptable\n\nAvailable representations: /,
    );
  assert.throws(
    () => shapeOf('text/plain'),
    /only the following media types are accepted: application\/json,/,
  );
  assert.deepEqual(
    negotiate(`${protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`, { protobuf: false, table: true }),
    { shape: 'metadata', format: 'protobuf', metaVersion: 'meta.k8s.io/v1' },
  );
});

test('the first acceptable form of discovery counts', () => {
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  assert.equal(aggregatedFormat(`${aggregated},application/json`), 'json');
  assert.equal(aggregatedFormat(`application/json,${aggregated}`), undefined);
  assert.equal(aggregatedFormat(aggregated.replace('json', 'vnd.kubernetes.protobuf')), 'protobuf');
  assert.equal(aggregatedFormat(undefined), undefined);
});

test('a failure is never shown as a table', () => {
  assert.equal(preferredType(`${PROTOBUF};as=Table,application/json`, false), PROTOBUF);
  assert.equal(preferredType(`${PROTOBUF};as=Table,application/json`, true), 'application/json');
  assert.equal(preferredType('application/yaml;as=Table', true), undefined);
  assert.equal(preferredType('text/html,application/yaml', true), 'application/yaml');
});

test('bodies and patches', () => {
  assert.equal(bodyFormat('application/json; charset=utf-8'), 'json');
  assert.equal(bodyFormat(undefined), 'json');
  assert.equal(bodyFormat('application/yaml'), 'yaml');
  assert.throws(() => bodyFormat('text/plain'), /unknown format/);
  assert.equal(patchFormat('application/strategic-merge-patch+json'), 'strategic');
  assert.equal(patchFormat('application/apply-patch+yaml'), 'apply');
  for (const type of ['application/apply-patch+cbor', 'APPLICATION/merge-patch+json', 'constructor', '']) {
    assert.throws(() => patchFormat(type), /415: Unsupported Media Type/);
    for (const type of ['text/plain', 'application/strategic-merge-patch+json'])
      assert.throws(
        () => patchFormat(type, true),
        /types include: application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
      );
  }
});

test('gzip is used when it is accepted', () => {
  assert.equal(acceptsGzip('gzip'), true);
  assert.equal(acceptsGzip('deflate, gzip;q=0.5'), true);
  assert.equal(acceptsGzip('gzip;q=0'), false);
  assert.equal(acceptsGzip('br'), false);
});

test('a watch is never YAML', () => {
  const watch = { protobuf: true, table: true, list: true, stream: true };
  assert.equal(negotiate('application/json,application/yaml', watch).format, 'json');
  for (const accept of ['application/yaml', 'text/html,application/yaml;as=Table;v=v1;g=meta.k8s.io,*/*'])
    assert.throws(
      () => negotiate(accept, watch),
      /accepted: application\/json;stream=watch, application\/vnd/,
    );
});
