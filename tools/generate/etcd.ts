/**
 * Writes `src/cluster/store/generated/etcd.ts` from etcd's published interface definitions:
 * `node tools/generate/etcd.ts FOLDER`, where FOLDER holds `go.etcd.io/etcd/api/**` (or `etcd/api/**`) `/*.proto`.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emitEtcd } from './etcd-emit.ts';
import { parseProto } from './proto.ts';

/** The calls that the store makes: `service/method`, what is sent, what comes back. */
const REQUESTS = [
  'RangeRequest',
  'TxnRequest',
  'CompactionRequest',
  'WatchRequest',
  'LeaseGrantRequest',
  'LeaseRevokeRequest',
  'LeaseKeepAliveRequest',
  'SnapshotRequest',
  'StatusRequest',
];
const RESPONSES = [
  'RangeResponse',
  'TxnResponse',
  'CompactionResponse',
  'WatchResponse',
  'LeaseGrantResponse',
  'LeaseRevokeResponse',
  'LeaseKeepAliveResponse',
  'SnapshotResponse',
  'StatusResponse',
];

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: node tools/generate/etcd.ts FOLDER\n');
  process.exit(2);
}

const files = globSync('**/etcd/api/{etcdserverpb/rpc,mvccpb/kv}.proto', { cwd: folder })
  .toSorted()
  .map((path) => parseProto(readFileSync(join(folder, path), 'utf8'), path));
if (files.length !== 2) throw new Error(`${folder}: want etcd's rpc.proto and kv.proto once each`);

const output = join(import.meta.dirname, '../../src/cluster/store/generated');
mkdirSync(output, { recursive: true });
writeFileSync(join(output, 'etcd.ts'), emitEtcd(files, { requests: REQUESTS, responses: RESPONSES }));
