import { KUBERNETES_VERSION } from '../version.ts';

/** The version is the one that behaviour is that of, major and minor. */
export const OPENAPI_INFO = {
  title: 'Kubernetes',
  version: KUBERNETES_VERSION.replace(/^v(\d+\.\d+)\..*$/, '$1'),
};

export const SECURITY_SCHEMES = { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } };
