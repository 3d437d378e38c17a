/** The control plane of one instance: store, API server, controllers, scheduler, in this process. */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Instance } from '../base/instance.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { UserInfo } from '../cluster/api/transport.ts';
import { createClient } from '../cluster/client/client.ts';
import type { Client, Controller, InformerFactory } from '../cluster/client/contract.ts';
import { createEventRecorder } from '../cluster/client/event-recorder.ts';
import { createInformerFactory } from '../cluster/client/informer.ts';
import { createControllers } from '../cluster/controllers/controllers.ts';
import { createScheduler } from '../cluster/scheduler/scheduler.ts';
import { createApiServer, type LogSource } from '../cluster/server/api-server.ts';
import { listenHttps } from '../cluster/server/https-listener.ts';
import { buildKubeconfig } from '../cluster/server/kubeconfig.ts';
import { loadOrCreatePki } from '../cluster/server/pki.ts';
import { openSqliteStore } from '../cluster/store/sqlite.ts';
import { writeAtomically } from './write-atomically.ts';

export interface ControlPlaneOptions {
  readonly instance: Instance;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** On 127.0.0.1; 0 picks a free one. */
  readonly port: number;
  readonly kubeconfig: string;
  readonly serviceCidr: string | undefined;
  readonly nodeIps: readonly string[];
}

export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  /** What a component of ours needs to work on the API as `user`. */
  componentOf(user: UserInfo): Component;
  /** Where `pods/log` gets its bytes from, once there is a node. */
  connectLogs(source: LogSource): void;
}

export interface Component {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: ReturnType<typeof createEventRecorder>;
}
