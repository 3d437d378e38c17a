/**
 * Who may approve and sign what
 * (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificateapproval).
 */
import { jsonEqual, getPath, stringAt } from '../../../api/json.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { refused } from '../lookup.ts';

const GROUP = 'certificates.k8s.io';

const isRequest = ({ resource }: AdmissionRequest): boolean =>
  resource.group === GROUP && resource.resource === 'certificatesigningrequests';

/** `signers` by their whole name, or all of one domain. */
export async function maySigner(
  { user, server }: AdmissionRequest,
  verb: string,
  signer: string,
): Promise<boolean> {
  const common = {
    user,
    verb,
    group: GROUP,
    version: '*',
    resource: 'signers',
    subresource: '',
    namespace: '',
  };
  const wildcard = `${signer.split('/')[0] ?? ''}/*`;
  for (const name of [signer, wildcard]) {
    if ((await server.authorizer.decide({ ...common, name })).answer === 'allow') return true;
  }
  return false;
}

export const certificateApproval: AdmissionPlugin = {
  name: 'CertificateApproval',
  handles: (request) =>
    isRequest(request) && request.operation === 'UPDATE' && request.subresource === 'approval',
  async validate(request) {
    const signer = stringAt(request.old, 'spec', 'signerName');
    if (await maySigner(request, 'approve', signer)) return;
    throw refused(
      request,
      `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`,
    );
  },
};

export const certificateSigning: AdmissionPlugin = {
  name: 'CertificateSigning',
  handles: (request) =>
    isRequest(request) && request.operation === 'UPDATE' && request.subresource === 'status',
  async validate(request) {
    const { object, old } = request;
    const conditions = (of: typeof old): unknown => getPath(of, 'status', 'conditions') ?? [];
    const same =
      jsonEqual(getPath(object, 'status', 'certificate'), getPath(old, 'status', 'certificate')) &&
      jsonEqual(conditions(object) as never, conditions(old) as never);
    if (same) return;
    const signer = stringAt(old, 'spec', 'signerName');
    if (await maySigner(request, 'sign', signer)) return;
    throw refused(request, `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`);
  },
};

/** ClusterTrustBundles that speak for a signer need its leave. */
export const clusterTrustBundleAttest: AdmissionPlugin = {
  name: 'ClusterTrustBundleAttest',
  handles: ({ resource, operation, subresource }) =>
    resource.group === GROUP &&
    resource.resource === 'clustertrustbundles' &&
    subresource === '' &&
    (operation === 'CREATE' || operation === 'UPDATE'),
  async validate(request) {
    const { object, old } = request;
    const signer = stringAt(object, 'spec', 'signerName');
    if (signer === '' || (old !== undefined && jsonEqual(object?.spec, old.spec))) return;
    if (await maySigner(request, 'attest', signer)) return;
    throw refused(request, `user not permitted to attest for signerName ${JSON.stringify(signer)}`);
  },
};

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';

/** Nobody asks for a certificate of the administrators' group. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (request) => isRequest(request) && request.operation === 'CREATE' && request.subresource === '',
  async validate(request) {
    if (stringAt(request.object, 'spec', 'signerName') !== CLIENT_SIGNER) return;
    const { organizationsOf } = await import('./certificate-subject.ts');
    const organizations = organizationsOf(stringAt(request.object, 'spec', 'request'));
    if (!organizations.includes('system:masters')) return;
    throw refused(request, `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`);
  },
};
