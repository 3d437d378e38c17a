import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ImageService, RuntimeService } from '../../container/cri/cri.ts';
import type { Pod, Service } from '../api/generated/core-v1.ts';
import type { AccountTokens } from './account-tokens.ts';
import type { Allocations } from './allocations.ts';
import type { PodReferences } from './container-env.ts';
import type { PodFacts } from './field-ref.ts';
import type { Images, PodEvent } from './images.ts';
import type { Probes } from './probes.ts';
import type { RestartBackoff } from './restart-backoff.ts';
import type { RuntimeView } from './runtime-view.ts';
import type { StatusWriter } from './status-writer.ts';
import type { VolumeFolders } from './volumes.ts';

/** What the parts that sync a pod share. */
export interface KubeletContext {
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly runtime: RuntimeService;
  readonly imageService: ImageService;
  readonly podLogsDir: string;
  readonly clusterDomain: string;
  readonly clusterDns?: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly event: PodEvent;
  readonly view: RuntimeView;
  readonly images: Images;
  readonly probes: Probes;
  readonly statuses: StatusWriter;
  readonly crashes: RestartBackoff;
  readonly folders: VolumeFolders;
  readonly tokens: AccountTokens;
  readonly allocations: Allocations;
  readonly allocatable: PodFacts['allocatable'];
  references(namespace: string): PodReferences;
  services(): readonly Service[];
  /** All pods that are bound to this node. */
  podsHere(): readonly Pod[];
  /** Makes a pod's worker look again. */
  wake(uid: string): void;
}
