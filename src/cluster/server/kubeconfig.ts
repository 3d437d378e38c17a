/** A kubeconfig with everything embedded. Written by hand: all values are base64, URLs or plain names. */
export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** Name of cluster and context. */
  readonly name?: string;
}

export function buildKubeconfig(options: KubeconfigOptions): string {
  const { server, ca, clientCert, clientKey, name = 'sampan' } = options;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const user = `${name}-admin`;
  return `apiVersion: v1
kind: Config
clusters:
  - name: ${JSON.stringify(name)}
    cluster:
      server: ${JSON.stringify(server)}
      certificate-authority-data: ${base64(ca)}
contexts:
  - name: ${JSON.stringify(name)}
    context:
      cluster: ${JSON.stringify(name)}
      user: ${JSON.stringify(user)}
current-context: ${JSON.stringify(name)}
users:
  - name: ${JSON.stringify(user)}
    user:
      client-certificate-data: ${base64(clientCert)}
      client-key-data: ${base64(clientKey)}
`;
}
