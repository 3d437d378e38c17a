import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom, type Random } from '../../base/random.ts';
import type { Deployment, ReplicaSet } from '../api/generated/apps-v1.ts';
import {
  byRevision,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  newestRevision,
  REVISION,
  revisionOf,
} from './deployment-annotations.ts';
import {
  findNewSet,
  isScaling,
  limitsOf,
  newSetSize,
  planCleanup,
  planRecreate,
  planRolling,
  planScaling,
  sizeOf,
  type Resize,
} from './deployment-planner.ts';

interface SetShape {
  readonly available?: number;
  readonly pods?: number;
  readonly desired?: number;
  readonly max?: number;
  readonly revision?: number;
  readonly created?: number;
  readonly image?: string;
}

function set(name: string, replicas: number, shape: SetShape = {}): ReplicaSet {
  const { available = replicas, pods = replicas, desired, max, revision, created = 0, image = name } = shape;
  const annotations: Record<string, string> = {};
  if (desired !== undefined) annotations[DESIRED_REPLICAS] = `${desired}`;
  if (max !== undefined) annotations[MAX_REPLICAS] = `${max}`;
  if (revision !== undefined) annotations[REVISION] = `${revision}`;
  return {
    metadata: {
      name,
      annotations,
      creationTimestamp: `2026-01-01T00:00:${String(created).padStart(2, '0')}Z`,
    },
    spec: { replicas, template: { spec: { containers: [{ name: 'c', image }] } } },
    status: { replicas: pods, availableReplicas: available },
  };
}

function deployment(
  replicas: number,
  maxSurge: number | string = '25%',
  maxUnavailable: number | string = '25%',
): Deployment {
  return {
    metadata: { name: 'web' },
    spec: {
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      template: { spec: { containers: [{ name: 'c', image: 'new' }] } },
    },
  };
}

const recreate = (replicas: number): Deployment => ({ spec: { replicas, strategy: { type: 'Recreate' } } });
const sizes = (plan: readonly Resize[]): Record<string, number> =>
  Object.fromEntries(plan.map((resize) => [resize.set.metadata?.name ?? '', resize.replicas]));

test('surge is rounded up, unavailability down, and both never stay nought', () => {
  assert.deepEqual(limitsOf(deployment(10)), { replicas: 10, maxSurge: 3, maxUnavailable: 2 });
  assert.deepEqual(limitsOf(deployment(1)), { replicas: 1, maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual(limitsOf(deployment(2, 0, '25%')), { replicas: 2, maxSurge: 0, maxUnavailable: 1 });
  assert.deepEqual(limitsOf(deployment(2, 0, 5)), { replicas: 2, maxSurge: 0, maxUnavailable: 2 });
  assert.deepEqual(limitsOf(recreate(4)), { replicas: 4, maxSurge: 0, maxUnavailable: 0 });
});

test('the new set is found by template, whatever the hash label and the order of fields', () => {
  const labelled = set('b', 1, { image: 'new' });
  labelled.spec!.template!.metadata = { labels: { 'pod-template-hash': 'x' } };
  const template = { metadata: { labels: {} }, spec: { containers: [{ image: 'new', name: 'c' }] } };
  const wanted = { ...deployment(1), spec: { ...deployment(1).spec, template } };
  assert.equal(findNewSet(wanted, [set('a', 1), labelled])?.metadata?.name, 'b');
  assert.equal(findNewSet(wanted, [set('a', 1)]), undefined);
});

test('the new set starts with what the surge leaves', () => {
  assert.equal(newSetSize(deployment(4, 1, 0), undefined, []), 4);
  assert.equal(newSetSize(deployment(4, 1, 0), undefined, [set('old', 4)]), 1);
  assert.equal(newSetSize(deployment(4, 0, 1), undefined, [set('old', 4)]), 0);
  assert.equal(
    newSetSize(deployment(4, 1, 0), set('new', 1), [set('old', 3, { pods: 4 })]),
    1,
    'surplus lives on',
  );
});

test('pods that do not serve leave first and at once', () => {
  const old = set('old', 4, { available: 1 });
  const plan = planRolling(deployment(4, 0, 1), set('new', 0), [old]);
  assert.deepEqual(sizes(plan), { old: 3 });
  const broken = [set('a', 3, { available: 3, created: 1 }), set('b', 2, { available: 0, created: 2 })];
  assert.deepEqual(sizes(planRolling(deployment(4, 1, 0), set('new', 0), broken)), { b: 1 });
});

test('availability that the status has not yet withdrawn is not counted again', () => {
  // 3 of 4 wanted, one removal is under way: the status still says 4.
  const old = set('old', 3, { available: 4, pods: 4 });
  assert.deepEqual(planRolling(deployment(4, 0, 1), set('new', 0), [old]), []);
});

test('an old set never grows, however late its status is', () => {
  const late = set('a', 1, { available: 2, pods: 2, created: 1 });
  const broken = set('b', 3, { available: 1, created: 2 });
  assert.deepEqual(sizes(planRolling(deployment(4, 0, 1), set('new', 0), [late, broken])), { b: 2 });
});

test('recreate empties first, then waits for the last pod, then grows', () => {
  const old = set('old', 3);
  assert.deepEqual(sizes(planRecreate(recreate(3), undefined, { sets: [old], pods: 3 })), { old: 0 });
  const empty = set('old', 0);
  assert.deepEqual(planRecreate(recreate(3), set('new', 0), { sets: [empty], pods: 1 }), []);
  assert.deepEqual(sizes(planRecreate(recreate(3), set('new', 0), { sets: [empty], pods: 0 })), { new: 3 });
  assert.deepEqual(planRecreate(recreate(3), set('new', 3), { sets: [empty], pods: 0 }), []);
});

test('scaling one set is simple; in a rollout it is shared in proportion', () => {
  assert.equal(isScaling(deployment(5), [set('new', 3, { desired: 3 })]), true);
  assert.equal(isScaling(deployment(3), [set('new', 3, { desired: 3 })]), false);
  assert.equal(isScaling(deployment(5), [set('new', 0, { desired: 3 })]), false);
  assert.deepEqual(sizes(planScaling(deployment(5), set('new', 3), [])), { new: 5 });
  // 10 with a surge of 3: 5 new and 8 old become 15 + 3 in the same proportion.
  const fresh = set('new', 5, { desired: 10, max: 13, created: 2, available: 0 });
  const old = set('old', 8, { desired: 10, max: 13, created: 1 });
  assert.deepEqual(sizes(planScaling(deployment(15, 3, 2), fresh, [old])), { new: 7, old: 11 });
  assert.deepEqual(sizes(planScaling(deployment(0, 3, 2), fresh, [old])), { new: 0, old: 0 });
  const done = set('new', 5, { desired: 5, available: 5, created: 2 });
  assert.deepEqual(sizes(planScaling(deployment(5), done, [set('old', 2, { created: 1 })])), { old: 0 });
});

test('scaling shares out exactly what is allowed', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 1000; round++) {
    const surge = Math.floor(random.next() * 4);
    const before = 1 + Math.floor(random.next() * 20);
    const replicas = Math.floor(random.next() * 40);
    const all = before + surge;
    const share = Math.max(1, Math.floor(random.next() * all));
    if (share >= all) continue;
    const at = { desired: before, max: all, available: 0 };
    const fresh = set('new', share, { ...at, created: 2 });
    const old = set('old', all - share, { ...at, created: 1 });
    const plan = planScaling(deployment(replicas, surge, 1), fresh, [old]);
    const sum = plan.reduce((total, resize) => total + resize.replicas, 0);
    assert.equal(sum, replicas === 0 ? 0 : replicas + surge, JSON.stringify({ replicas, surge, all, share }));
    assert.ok(plan.every((resize) => resize.replicas >= 0));
  }
});

test('history keeps its limit; what still holds pods stays', () => {
  const old = [1, 2, 3, 4].map((revision) => set(`r${revision}`, 0, { revision }));
  const limited: Deployment = { spec: { revisionHistoryLimit: 2 } };
  assert.deepEqual(
    planCleanup(limited, old).map((each) => each.metadata?.name),
    ['r1', 'r2'],
  );
  const busy = [set('r1', 0, { revision: 1, pods: 1 }), ...old.slice(1)];
  assert.deepEqual(
    planCleanup(limited, busy).map((each) => each.metadata?.name),
    ['r2'],
  );
  assert.deepEqual(planCleanup({ spec: {} }, old), []);
});

/** A set as a simulated replica set controller sees it: pods, each ready or not, and a status that lags behind. */
interface World {
  readonly name: string;
  replicas: number;
  ready: number;
  starting: number;
  reported: { pods: number; available: number };
}

/** Does one random thing of those that happen beside a deployment's controller. */
function disturb(world: World, random: Random): void {
  const choice = random.next();
  const surplus = world.ready + world.starting - world.replicas;
  if (choice < 0.35) {
    if (surplus > 0) {
      const cut = Math.min(world.starting, surplus);
      world.starting -= cut;
      world.ready -= surplus - cut;
    } else world.starting -= surplus;
  } else if (choice < 0.65 && world.starting > 0) {
    world.starting--;
    world.ready++;
  } else {
    world.reported = { pods: world.ready + world.starting, available: world.ready };
  }
}

function asSet(world: World, created: number): ReplicaSet {
  return set(world.name, world.replicas, {
    created,
    available: world.reported.available,
    pods: world.reported.pods,
  });
}

test('a rolling update never falls below availability, never exceeds the surge, and always ends', () => {
  for (let seed = 0; seed < 400; seed++) {
    const random = seededRandom(seed);
    const replicas = 1 + Math.floor(random.next() * 12);
    const surge = Math.floor(random.next() * 4);
    const unavailable = Math.floor(random.next() * 4);
    const wanted = deployment(replicas, surge, unavailable);
    const limits = limitsOf(wanted);
    const world = (name: string, count: number): World => ({
      name,
      replicas: count,
      ready: count,
      starting: 0,
      reported: { pods: count, available: count },
    });
    // An earlier rollout may have been under way: two old versions share the pods.
    const split = Math.floor(random.next() * (replicas + 1));
    const worlds = [world('old1', split), world('old2', replicas - split), world('new', 0)];
    let steps = 0;
    while (worlds[2]!.ready < replicas || worlds[0]!.ready + worlds[1]!.ready > 0) {
      assert.ok(++steps < 5000, `seed ${seed}: the rollout does not end`);
      if (random.next() < 0.4) {
        const sets = worlds.map((each, i) => asSet(each, i));
        for (const { set: resized, replicas: size } of planRolling(wanted, sets[2]!, sets.slice(0, 2))) {
          worlds[sets.indexOf(resized)]!.replicas = size;
        }
      } else {
        disturb(worlds[Math.floor(random.next() * 3)]!, random);
      }
      const ready = worlds.reduce((sum, each) => sum + each.ready, 0);
      const alive = worlds.reduce((sum, each) => sum + each.ready + each.starting, 0);
      assert.ok(ready >= replicas - limits.maxUnavailable, `seed ${seed}: ${ready} of ${replicas} available`);
      assert.ok(alive <= replicas + limits.maxSurge, `seed ${seed}: ${alive} of ${replicas} alive`);
    }
    const final = worlds.map((each, i) => asSet(each, i));
    assert.equal(sizeOf(final[2]!), replicas);
  }
});

test('revisions are compared as the 64-bit numbers that they are', () => {
  const [low, high] = ['3546343826724305832', '3546343826724305833'].map((revision) => ({
    metadata: { annotations: { [REVISION]: revision } },
  }));
  assert.equal(newestRevision([high!, low!]) + 1n, 3546343826724305834n);
  assert.equal(byRevision(low!, high!), -1);
  assert.equal(revisionOf({ metadata: { annotations: { [REVISION]: '99999999999999999999' } } }), 0n);
});
