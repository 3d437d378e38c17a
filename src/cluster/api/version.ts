/** The version of Kubernetes whose API this is. */
export const KUBERNETES_VERSION = 'v1.36.0';
