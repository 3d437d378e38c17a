/** CNI's contract (spec 1.0: ADD and DEL) between the engine and a pod network. */
export interface NetworkAttachment {
  /** Sandbox id. */
  readonly containerId: string;
  /** `/proc/<pid>/ns/net` of the sandbox. */
  readonly netns: string;
  /** Interface inside the namespace: `eth0`. */
  readonly interfaceName: string;
}

export interface NetworkResult {
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway: string }[];
  readonly routes: readonly { readonly dst: string; readonly gw?: string }[];
}

export interface PodNetwork {
  /** The node's own address on the pod network (the bridge). */
  readonly gateway: string;
  /** CIDR that pods get their addresses from. */
  readonly podCidr: string;
  /** Creates bridge and masquerading where missing; removes what no sandbox in `keep` owns. Idempotent. */
  setUp(keep: ReadonlySet<string>): Promise<void>;
  add(attachment: NetworkAttachment): Promise<NetworkResult>;
  /** Idempotent; also when the namespace is gone. */
  del(containerId: string): Promise<void>;
  /** Removes everything of this instance. */
  tearDown(): Promise<void>;
}
