/**
 * The table that serves services, in nft's words (for table `sampan-1-svc`, pods in 10.64.0.0/16):
 *
 *     table inet sampan-1-svc {
 *       map services            { type inet_proto . ipv4_addr . inet_service : mark }              # class
 *       map endpoints           { type inet_proto . ipv4_addr . inet_service . mark : ipv4_addr . inet_service }
 *       map node-ports          { type inet_proto . inet_service : mark }                          # class
 *       map node-port-endpoints { type inet_proto . inet_service . mark : ipv4_addr . inet_service }
 *       set unserved            { type inet_proto . ipv4_addr . inet_service }
 *       set unserved-node-ports { type inet_proto . inet_service }
 *       set hairpin             { type ipv4_addr . ipv4_addr }                                     # pod . itself
 *       map classes             { type mark : verdict }                      # 3 : goto pick-3
 *       map node-port-classes   { type mark : verdict }                      # 3 : goto node-port-pick-3
 *
 *       chain prerouting  { type nat hook prerouting priority dstnat; meta nfproto ipv4 jump dispatch }
 *       chain output      { type nat hook output priority dstnat; meta nfproto ipv4 jump dispatch }
 *       chain dispatch {
 *         meta l4proto . ip daddr . th dport map @services vmap @classes
 *         fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport map @node-ports vmap @node-port-classes
 *       }
 *       chain pick-3 { dnat ip to meta l4proto . ip daddr . th dport . numgen random mod 3 map @endpoints }
 *       chain node-port-pick-3 { dnat ip to meta l4proto . th dport . numgen random mod 3 map @node-port-endpoints }
 *       chain postrouting {
 *         type nat hook postrouting priority srcnat
 *         ct status dnat ip saddr . ip daddr @hairpin masquerade
 *         ct status dnat ip saddr != 10.64.0.0/16 ip daddr != 10.64.0.0/16 oifname != "lo" masquerade
 *       }
 *       chain filter-forward { type filter hook forward priority filter; ct state new meta nfproto ipv4 jump refuse-unserved }
 *       chain filter-input, filter-output: the same in their hooks
 *       chain refuse-unserved {
 *         meta l4proto . ip daddr . th dport @unserved goto refuse
 *         fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport @unserved-node-ports goto refuse
 *         ip daddr 10.128.0.0/16 goto refuse                                 # what is left of the service network
 *       }
 *       chain refuse { meta l4proto tcp reject with tcp reset; reject with icmpx port-unreachable }
 *     }
 *
 * A service is elements of maps and nothing else. Its class is the number of its endpoints: numgen's modulus is a
 * constant, so there is a chain for each number that occurs. Only class maps hold verdicts, and they hold few:
 * whenever a verdict is added the kernel walks all chains that can be reached, also through maps, to find loops,
 * and with a chain for each service every change would cost as much as all services together.
 *
 * Session affinity is a class of its own for each timeout (upper 16 bits), whose chain first asks `affinity`
 * (proto . address . port . client : endpoint, entries time out) and takes the answer only when `members`
 * (proto . address . port . endpoint) says that it is still an endpoint; so nothing has to be found and removed
 * in a map that packets fill.
 */
import { parseCidr } from './ipv4.ts';
import {
  compare,
  deleteFromMap,
  destinationNat,
  destinationType,
  inNetwork,
  inSet,
  interfaceIs,
  isDestinationNatted,
  isIpv4,
  isNewConnection,
  mapLookup,
  masquerade,
  meta,
  payload,
  randomNumber,
  reject,
  updateMap,
  verdict,
  type NftExpression,
} from './nft-expressions.ts';
import { packKey, type NftHook, type NftOperation, type NftType } from './nftables.ts';

/** Names for one way in: by cluster address, or by node port. */
export interface Entrance {
  readonly services: string;
  readonly endpoints: string;
  readonly unserved: string;
  readonly classes: string;
  readonly affinity: string;
  readonly members: string;
  readonly pick: string;
  /** The fields that name a service, loaded into registers from `to` on. */
  readonly load: (to: number) => readonly NftExpression[];
  readonly key: readonly NftType[];
}

export const byAddress: Entrance = {
  services: 'services',
  endpoints: 'endpoints',
  unserved: 'unserved',
  classes: 'classes',
  affinity: 'affinity',
  members: 'members',
  pick: 'pick',
  load: (to) => [meta('l4proto', to), payload('ip daddr', to + 1), payload('th dport', to + 2)],
  key: ['inet_proto', 'ipv4_addr', 'inet_service'],
};

export const byNodePort: Entrance = {
  services: 'node-ports',
  endpoints: 'node-port-endpoints',
  unserved: 'unserved-node-ports',
  classes: 'node-port-classes',
  affinity: 'node-port-affinity',
  members: 'node-port-members',
  pick: 'node-port-pick',
  load: (to) => [meta('l4proto', to), payload('th dport', to + 1)],
  key: ['inet_proto', 'inet_service'],
};

export const HAIRPIN = 'hairpin';

const ENDPOINT: readonly NftType[] = ['ipv4_addr', 'inet_service'];
const AFFINITY_ENTRIES = 65_536;
const RTN_LOCAL = 2;

/** What is there without any service. */
export function layout({ podCidr, serviceCidr }: { podCidr: string; serviceCidr?: string }): NftOperation[] {
  const pods = parseCidr(podCidr);
  const chains: [string, NftHook][] = [
    ['prerouting', { type: 'nat', hook: 'prerouting', priority: -100 }],
    ['output', { type: 'nat', hook: 'output', priority: -100 }],
    ['postrouting', { type: 'nat', hook: 'postrouting', priority: 100 }],
    ['filter-forward', { type: 'filter', hook: 'forward', priority: 0 }],
    ['filter-input', { type: 'filter', hook: 'input', priority: 0 }],
    ['filter-output', { type: 'filter', hook: 'output', priority: 0 }],
  ];
  const local = [
    destinationType(),
    compare('==', packKey(RTN_LOCAL)),
    ...inNetwork('ip daddr', LOOPBACK, '!='),
  ];
  const jump = (chain: string): NftExpression => verdict({ verdict: 'jump', chain });
  const refuse = verdict({ verdict: 'goto', chain: 'refuse' });
  return [
    ...[byAddress, byNodePort].flatMap(setsOf),
    { op: 'addSet', set: HAIRPIN, key: ['ipv4_addr', 'ipv4_addr'] },
    ...['dispatch', 'refuse', 'refuse-unserved'].map((chain) => ({ op: 'addChain', chain }) as const),
    rule('refuse', meta('l4proto'), compare('==', Uint8Array.of(6)), reject('tcp-reset')),
    rule('refuse', reject('port-unreachable')),
    rule('dispatch', ...isIpv4, ...toClass(byAddress)),
    rule('dispatch', ...isIpv4, ...local, ...toClass(byNodePort)),
    rule('refuse-unserved', ...isIpv4, ...byAddress.load(0), inSet(byAddress.unserved), refuse),
    rule('refuse-unserved', ...isIpv4, ...local, ...byNodePort.load(0), inSet(byNodePort.unserved), refuse),
    ...(serviceCidr === undefined
      ? []
      : [rule('refuse-unserved', ...isIpv4, ...inNetwork('ip daddr', parseCidr(serviceCidr)), refuse)]),
    ...chains.map(([chain, hook]) => ({ op: 'addChain', chain, hook }) as const),
    rule('prerouting', ...isIpv4, jump('dispatch')),
    rule('output', ...isIpv4, jump('dispatch')),
    ...['filter-forward', 'filter-input', 'filter-output'].map((chain) =>
      rule(chain, ...isNewConnection, ...isIpv4, jump('refuse-unserved')),
    ),
    rule(
      'postrouting',
      ...isDestinationNatted,
      ...isIpv4,
      payload('ip saddr', 0),
      payload('ip daddr', 1),
      inSet(HAIRPIN),
      masquerade,
    ),
    rule(
      'postrouting',
      ...isDestinationNatted,
      ...isIpv4,
      ...inNetwork('ip saddr', pods, '!='),
      ...inNetwork('ip daddr', pods, '!='),
      ...interfaceIs('oifname', 'lo', '!='),
      masquerade,
    ),
  ];
}

const LOOPBACK = parseCidr('127.0.0.0/8');

function rule(chain: string, ...expressions: readonly NftExpression[]): NftOperation {
  return { op: 'addRule', chain, expressions };
}

function setsOf({
  services,
  endpoints,
  unserved,
  classes,
  affinity,
  members,
  key,
}: Entrance): NftOperation[] {
  return [
    { op: 'addSet', set: services, key, data: ['mark'] },
    { op: 'addSet', set: endpoints, key: [...key, 'mark'], data: ENDPOINT },
    { op: 'addSet', set: unserved, key },
    { op: 'addSet', set: classes, key: ['mark'], data: 'verdict' },
    { op: 'addSet', set: members, key: [...key, ...ENDPOINT] },
    {
      op: 'addSet',
      set: affinity,
      key: [...key, 'ipv4_addr'],
      data: ENDPOINT,
      dynamic: { size: AFFINITY_ENTRIES },
    },
  ];
}

function toClass({ load, services, classes }: Entrance): NftExpression[] {
  return [...load(0), mapLookup(services), mapLookup(classes, { to: 'verdict' })];
}

/** Services with this number of endpoints and this affinity. */
export interface ServiceClass {
  /** In the class maps: endpoints, and in the upper 16 bits which of the timeouts. */
  readonly mark: number;
  readonly endpoints: number;
  /** 0: no affinity. */
  readonly affinitySeconds: number;
}

/** The chains of a class that has not occurred before. */
export function classOperations({ mark, endpoints, affinitySeconds }: ServiceClass): NftOperation[] {
  return [byAddress, byNodePort].flatMap((entrance) => {
    const chain = `${entrance.pick}-${endpoints}${affinitySeconds === 0 ? '' : `-${affinitySeconds}s`}`;
    const rules =
      affinitySeconds === 0
        ? [
            rule(
              chain,
              ...isIpv4,
              ...pickEndpoint(entrance, endpoints, 0),
              destinationNat({ address: 0, port: 1 }),
            ),
          ]
        : affinityRules(entrance, chain, { endpoints, timeoutMs: affinitySeconds * 1000 });
    return [
      { op: 'addChain', chain },
      ...rules,
      {
        op: 'addElements',
        set: entrance.classes,
        elements: [{ key: packKey(mark), data: { verdict: 'goto', chain } }],
      },
    ] as const;
  });
}

/** Leaves address and port in registers `to` and `to + 1`. */
function pickEndpoint(entrance: Entrance, endpoints: number, to: number): NftExpression[] {
  return [
    ...entrance.load(0),
    randomNumber(endpoints, entrance.key.length),
    mapLookup(entrance.endpoints, { to }),
  ];
}

function affinityRules(
  entrance: Entrance,
  chain: string,
  { endpoints, timeoutMs }: { endpoints: number; timeoutMs: number },
): NftOperation[] {
  // The service's fields and behind them the client: affinity's key. The endpoint found takes the client's place,
  // which makes members' key. The key is loaded again behind it for the renewal.
  const client = entrance.key.length;
  const again = client + 2;
  const keyAt = (to: number): NftExpression[] => [...entrance.load(to), payload('ip saddr', to + client)];
  return [
    rule(
      chain,
      ...isIpv4,
      ...keyAt(0),
      mapLookup(entrance.affinity, { to: client }),
      inSet(entrance.members),
      ...keyAt(again),
      updateMap(entrance.affinity, { key: again, data: client, timeoutMs }),
      destinationNat({ address: client, port: client + 1 }),
    ),
    rule(
      chain,
      ...isIpv4,
      ...pickEndpoint(entrance, endpoints, client),
      ...keyAt(again),
      deleteFromMap(entrance.affinity, { key: again, data: client }),
      updateMap(entrance.affinity, { key: again, data: client, timeoutMs }),
      destinationNat({ address: client, port: client + 1 }),
    ),
  ];
}
