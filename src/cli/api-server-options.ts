/** What `sampan up` takes over from kube-apiserver: names, meanings and defaults are its own. Read by api-server-flags.ts. */
import type { OptionSpec } from './command-table.ts';

export const apiServerOptions: readonly OptionSpec[] = [
  {
    name: 'authentication-config',
    value: 'FILE',
    help: 'an AuthenticationConfiguration: whose tokens are believed (OpenID Connect), who may come without any',
  },
  {
    name: 'authentication-token-webhook-config-file',
    value: 'FILE',
    help: 'a kubeconfig of a program that is asked who has a token',
  },
  {
    name: 'authentication-token-webhook-cache-ttl',
    value: 'TIME',
    help: 'how long its answers hold (default 2m0s)',
  },
  {
    name: 'token-auth-file',
    value: 'FILE',
    help: 'tokens that are known: lines of token,user,uid,"group1,group2"',
  },
  {
    name: 'authorization-config',
    value: 'FILE',
    help: 'an AuthorizationConfiguration: who decides what a user may do, in which order',
  },
  {
    name: 'authorization-webhook-config-file',
    value: 'FILE',
    help: 'a kubeconfig of a program that decides when nobody else has',
  },
  {
    name: 'audit-policy-file',
    value: 'FILE',
    help: 'an audit.k8s.io/v1 Policy: which requests are recorded, and how much of them',
  },
  {
    name: 'audit-log-path',
    value: 'FILE',
    help: 'where they are recorded, a line of JSON each; - is standard output',
  },
  { name: 'audit-log-maxage', value: 'DAYS', help: 'how long rotated files are kept (default 0: for ever)' },
  { name: 'audit-log-maxbackup', value: 'N', help: 'how many rotated files are kept (default 0: all)' },
  { name: 'audit-log-maxsize', value: 'MB', help: 'a file that gets larger is rotated (default 100)' },
  {
    name: 'audit-webhook-config-file',
    value: 'FILE',
    help: 'a kubeconfig of a program that gets what is recorded',
  },
  {
    name: 'audit-webhook-mode',
    value: 'MODE',
    help: 'batch (default), blocking, or blocking-strict: what cannot be recorded is refused',
  },
  {
    name: 'audit-webhook-batch-max-size',
    value: 'N',
    help: 'events that are sent at once (default 400)',
  },
  {
    name: 'audit-webhook-batch-max-wait',
    value: 'TIME',
    help: 'how long an event waits for others (default 30s)',
  },
  {
    name: 'audit-webhook-batch-buffer-size',
    value: 'N',
    help: 'events that may wait; then the oldest are lost (default 10000)',
  },
  {
    name: 'audit-webhook-initial-backoff',
    value: 'TIME',
    help: 'how long it takes to a second try (default 10s)',
  },
  {
    name: 'encryption-provider-config-automatic-reload',
    value: 'BOOL',
    help: 'true: changes of the encryption configuration count without a restart (default false)',
  },
  {
    name: 'max-requests-inflight',
    value: 'N',
    help: 'requests at once that read (default 400); with fairness, seats of all levels together with the next',
  },
  { name: 'max-mutating-requests-inflight', value: 'N', help: 'requests at once that write (default 200)' },
  {
    name: 'enable-priority-and-fairness',
    value: 'BOOL',
    help: 'false: no queues, only the two limits above (default true)',
  },
  { name: 'event-ttl', value: 'TIME', help: 'how long events are kept (default 1h0m0s)' },
  {
    name: 'request-timeout',
    value: 'TIME',
    help: 'how long a request may take that is no watch or connection (default 1m0s)',
  },
  {
    name: 'min-request-timeout',
    value: 'SECONDS',
    help: 'a watch lasts this long to twice as long (default 1800)',
  },
  {
    name: 'service-node-port-range',
    value: 'A-B',
    help: 'ports that services may take on nodes (default 30000-32767)',
  },
];
