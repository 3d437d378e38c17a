/**
 * The table that serves services, in nft's words (for table `sampan-1-svc`, pods in 10.64.0.0/16):
 *
 *     table inet sampan-1-svc {
 *       map endpoints-3  { type inet_proto . ipv4_addr . inet_service . mark : ipv4_addr . inet_service }
 *       map node-ports-3 { type inet_proto . inet_service . mark : ipv4_addr . inet_service }
 *       set unserved            { type inet_proto . ipv4_addr . inet_service }
 *       set unserved-node-ports { type inet_proto . inet_service }
 *       set hairpin             { type ipv4_addr . ipv4_addr }                                     # pod . itself
 *
 *       chain prerouting  { type nat hook prerouting priority dstnat; meta nfproto ipv4 jump dispatch }
 *       chain output      { type nat hook output priority dstnat; meta nfproto ipv4 jump dispatch }
 *       chain dispatch {
 *         jump by-address
 *         fib daddr type local ip daddr != 127.0.0.0/8 jump by-node-port
 *       }
 *       chain by-address {
 *         dnat ip to meta l4proto . ip daddr . th dport . numgen random mod 3 map @endpoints-3
 *       }
 *       chain by-node-port {
 *         dnat ip to meta l4proto . th dport . numgen random mod 3 map @node-ports-3
 *       }
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
 * A service is elements of a map and nothing else. Numgen's modulus is a constant, so there is a map and a rule for
 * each number of endpoints that occurs (a class); a rule whose map does not have the service lets the packet go on
 * to the next. Only the first packet of a connection comes here at all.
 *
 * Why not one verdict map from services to chains: whenever a verdict is added, the kernel walks everything that
 * can be reached to find loops, also all elements of verdict maps, and each change would cost as much as all
 * services together. And why not one map from services to classes, looked up in a second: nft (1.0.6) aborts when
 * it lists such a rule, and other people's `nft list ruleset` must not die of ours.
 *
 * Session affinity is a class of its own whose rule hashes the client instead of drawing a number: a client keeps
 * its endpoint for as long as the service's endpoints stay the same, with no state that could run full.
 */
import { parseCidr } from './ipv4.ts';
import {
  compare,
  destinationNat,
  destinationType,
  hashOf,
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
  verdict,
  type NftExpression,
} from './nft-expressions.ts';
import { packKey, type NftHook, type NftOperation, type NftType } from './nftables.ts';

/** Names for one way in: by cluster address, or by node port. */
export interface Entrance {
  /** Prefix of the classes' maps. */
  readonly endpoints: string;
  readonly unserved: string;
  readonly chain: string;
  readonly key: readonly NftType[];
  /** Loads the fields that name a service, as `key` has them, into registers from 0 on. */
  readonly load: readonly NftExpression[];
}

export const byAddress: Entrance = {
  endpoints: 'endpoints',
  unserved: 'unserved',
  chain: 'by-address',
  key: ['inet_proto', 'ipv4_addr', 'inet_service'],
  load: [meta('l4proto', 0), payload('ip daddr', 1), payload('th dport', 2)],
};

export const byNodePort: Entrance = {
  endpoints: 'node-ports',
  unserved: 'unserved-node-ports',
  chain: 'by-node-port',
  key: ['inet_proto', 'inet_service'],
  load: [meta('l4proto', 0), payload('th dport', 1)],
};

export const HAIRPIN = 'hairpin';

const RTN_LOCAL = 2;
const LOOPBACK = parseCidr('127.0.0.0/8');

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
    { op: 'addSet', set: byAddress.unserved, key: byAddress.key },
    { op: 'addSet', set: byNodePort.unserved, key: byNodePort.key },
    { op: 'addSet', set: HAIRPIN, key: ['ipv4_addr', 'ipv4_addr'] },
    ...[byAddress.chain, byNodePort.chain, 'dispatch', 'refuse', 'refuse-unserved'].map(
      (chain) => ({ op: 'addChain', chain }) as const,
    ),
    rule('refuse', meta('l4proto'), compare('==', Uint8Array.of(6)), reject('tcp-reset')),
    rule('refuse', reject('port-unreachable')),
    rule('dispatch', jump(byAddress.chain)),
    rule('dispatch', ...isIpv4, ...local, jump(byNodePort.chain)),
    rule('refuse-unserved', ...isIpv4, ...byAddress.load, inSet(byAddress.unserved), refuse),
    rule('refuse-unserved', ...isIpv4, ...local, ...byNodePort.load, inSet(byNodePort.unserved), refuse),
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

function rule(chain: string, ...expressions: readonly NftExpression[]): NftOperation {
  return { op: 'addRule', chain, expressions };
}

/** Services with this number of endpoints, with or without session affinity. */
export interface ServiceClass {
  readonly endpoints: number;
  readonly affinity: boolean;
}

/** The name of a class' map. */
export function classMap(entrance: Entrance, { endpoints, affinity }: ServiceClass): string {
  return `${entrance.endpoints}-${endpoints}${affinity ? '-by-client' : ''}`;
}

/** Map and rule of a class that has not occurred before. */
export function classOperations(entrance: Entrance, serviceClass: ServiceClass): NftOperation[] {
  const set = classMap(entrance, serviceClass);
  const index = entrance.key.length;
  const client = index + 1;
  const choose = serviceClass.affinity
    ? [payload('ip saddr', client), hashOf(client, { bytes: 4, modulus: serviceClass.endpoints, to: index })]
    : [randomNumber(serviceClass.endpoints, index)];
  return [
    { op: 'addSet', set, key: [...entrance.key, 'mark'], data: ['ipv4_addr', 'inet_service'] },
    rule(
      entrance.chain,
      ...isIpv4,
      ...entrance.load,
      ...choose,
      mapLookup(set),
      destinationNat({ address: 0, port: 1 }),
    ),
  ];
}
