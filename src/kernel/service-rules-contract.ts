/** What the proxy wants of the packet filter; see service-rules.ts for the rules that come of it. */
export interface ServiceEndpoint {
  /** IPv4. */
  readonly ip: string;
  readonly port: number;
}

/** One port of one service. */
export interface ServiceRule {
  /** Unique among the desired rules and the same from one apply to the next: `default/web:http`. */
  readonly id: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** IPv4; absent for a headless service, which has no rules but for its node port. */
  readonly clusterIP?: string;
  readonly port: number;
  readonly nodePort?: number;
  /** Ready ones. None: connections are rejected at once. */
  readonly endpoints: readonly ServiceEndpoint[];
  /**
   * Above 0 a client keeps its endpoint, at least while the endpoints stay the same: it is chosen by a hash of the
   * client's address, without a time-out.
   */
  readonly sessionAffinitySeconds?: number;
}

export interface ServiceRules {
  /**
   * Replaces the whole desired state, in one transaction. The first call writes everything anew; later ones send
   * the difference to what was applied before. After a failure the next call writes everything again.
   * `invalid` when two rules claim the same address or node port; then nothing is changed.
   */
  apply(desired: readonly ServiceRule[]): void;
  /** Removes the table. Idempotent. */
  tearDown(): void;
}
