import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitCri } from './emit-cri.ts';
import { emitSchema } from './emit-schema.ts';
import { emitTypes } from './emit-types.ts';
import { goFields } from './go-fields.ts';
import { buildModel } from './model.ts';
import { parseProto } from './proto.ts';

const WIDGETS = `
/* A licence. */
syntax = "proto2";
package k8s.io.api.widgets.v1;
import "k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto";
option go_package = "k8s.io/api/widgets/v1";

// Sentences stay behind.
message Widget {
  // +optional
  optional .k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta metadata = 1;

  // +listType=map
  // +listMapKey=name
  // +listMapKey=kind
  // +patchStrategy=merge,retainKeys
  // +patchMergeKey=name
  repeated Volume volumes = 2;

  // +optional
  // +mapType=atomic
  map<string, .k8s.io.apimachinery.pkg.api.resource.Quantity> sizes = 3;

  // +optional
  // +default="a b"
  optional string mode = 4 [deprecated = true];

  // +optional
  optional .k8s.io.apimachinery.pkg.util.intstr.IntOrString port = 5;
}

message Volume {
  optional string name = 1;
  optional VolumeSource volumeSource = 2;
}

message VolumeSource {
  // +optional
  optional bytes secret = 1;
}
`;

const META = `
syntax = "proto2";
package k8s.io.apimachinery.pkg.apis.meta.v1;
message ObjectMeta {
  // +optional
  optional string name = 1;
}
`;

const model = buildModel([parseProto(WIDGETS, 'widgets.proto'), parseProto(META, 'meta.proto')]);
const widgets = model.find((group) => group.id === 'widgets-v1');

test('types have the JSON shape, inlined members by extension', () => {
  assert.ok(widgets);
  const text = emitTypes(widgets);
  assert.match(text, /import type \{ ObjectMeta \} from '\.\/meta-v1\.ts';/);
  assert.match(text, /export interface Widget \{\n {2}apiVersion\?: string \| undefined;\n {2}kind\?/);
  assert.match(text, / {2}volumes\?: Volume\[\] \| undefined;/);
  assert.match(text, / {2}sizes\?: Record<string, string> \| undefined;/);
  assert.match(text, / {2}port\?: number \| string \| undefined;/);
  assert.match(text, /export interface Volume extends VolumeSource \{\n {2}name\?: string \| undefined;\n\}/);
  assert.doesNotMatch(text, /Sentences/);
});

test('the compact schema keeps numbers and markers', () => {
  const text = emitSchema(model);
  assert.ok(text.includes('volumes 2 [@Volume ! l=map k=name,kind p=merge,retainKeys m=name'));
  assert.ok(text.includes('sizes 3 {q ^'));
  assert.ok(text.includes('mode 4 s d="a b"'));
  assert.ok(text.includes('volumeSource 2 @VolumeSource ~ !'));
  assert.ok(text.includes('metadata 1 @meta-v1/ObjectMeta\t'));
  assert.doesNotMatch(text, /Sentences/);
});

test('the runtime interface has proto3 JSON names and nested types', () => {
  const text = emitCri(
    parseProto(
      `syntax = "proto3";
       package runtime.v1;
       service RuntimeService { rpc Version(A) returns (stream A) {} }
       message A {
         reserved 4, 5;
         enum Kind { NONE = 0; SOME = 1 [deprecated=true]; }
         string pod_sandbox_id = 1;
         Kind kind = 2;
         oneof value { int64 created_at = 3; bytes raw = 6; }
         map<string, string> labels = 7;
       }`,
      'api.proto',
    ),
  );
  assert.match(text, /export type AKind =\n {2}\| 'NONE'\n {2}\| 'SOME';/);
  assert.match(text, / {2}podSandboxId\?: string \| undefined;/);
  assert.match(text, / {2}kind\?: AKind \| undefined;/);
  assert.match(text, / {2}createdAt\?: number \| undefined;/);
  assert.match(text, / {2}raw\?: Uint8Array \| undefined;/);
  assert.match(text, / {2}labels\?: Record<string, string> \| undefined;/);
});

test('what the parser does not know is an error with its place', () => {
  assert.throws(() => parseProto('message A {\n  string x 1;\n}', 'a.proto'), /a\.proto:2: expected =/);
  assert.throws(() => parseProto('message A {', 'a.proto'), /unexpected end/);
  const unknown = parseProto('package k8s.io.api.x.v1; message A { optional Nowhere a = 1; }', 'x.proto');
  assert.throws(() => buildModel([unknown]), /unknown type Nowhere/);
});

test('Go types say which fields are pointers, which are always written, and what their types are called', () => {
  const source = `
package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Sentences stay behind.
type Widget struct {
	metav1.TypeMeta \`json:",inline"\`
	// +optional
	metav1.ObjectMeta \`json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"\`
	Mode  *WidgetMode \`json:"mode,omitempty"\`
	Name  string \`json:"name"\`
	Size  int32 \`json:"size,omitempty"\`
	Since metav1.Time \`json:"since,omitempty,omitzero"\`
	Modes []WidgetMode \`json:"modes"\`
}
`;
  assert.deepEqual(goFields(source, 'v1'), {
    Widget: {
      metadata: ' v1.ObjectMeta',
      mode: '* v1.WidgetMode',
      name: '+ string',
      since: '0 v1.Time',
      modes: '+ []v1.WidgetMode',
    },
  });
  const facts = goFields(source.replaceAll('Modes ', 'Volumes ').replaceAll('modes', 'volumes'), 'v1');
  const [group] = buildModel([parseProto(WIDGETS, 'widgets.proto'), parseProto(META, 'meta.proto')], {
    'k8s.io.api.widgets.v1': facts,
  }).filter(({ id }) => id === 'widgets-v1');
  const text = emitSchema([group!]);
  assert.match(text, /\tmetadata 1 @meta-v1\/ObjectMeta \+/);
  assert.match(text, /\tvolumes 2 \[@Volume ! \+ g=\[\]v1\.WidgetMode /);
  assert.match(text, /\tmode 4 s \* g=v1\.WidgetMode /);
});
