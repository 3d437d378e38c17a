/** What pods for Windows say of whom they run as. */
import { append } from '../../../base/append.ts';
import { invalid, type FieldError } from '../field-error.ts';
import { getPath, isJsonObject, objectsAt, type JsonObject, type JsonValue } from '../json.ts';
import { formed } from './checks.ts';
import { dns1123Subdomain } from './names.ts';

const MAX_CREDENTIAL_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
/** A NetBIOS name or a DNS name. */
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const DNS =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

export function validateWindowsOptions(context: JsonObject, at: string): FieldError[] {
  const options = context['windowsOptions'];
  if (!isJsonObject(options)) return [];
  const field = `${at}.windowsOptions`;
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName: user } = options;
  const errors: FieldError[] = [];
  if (typeof name === 'string')
    append(errors, formed(name, `${field}.gmsaCredentialSpecName`, dns1123Subdomain));
  if (spec === '') {
    const detail = 'gmsaCredentialSpec cannot be an empty string';
    errors.push(invalid(`${field}.gmsaCredentialSpec`, spec, detail));
  } else if (typeof spec === 'string' && Buffer.byteLength(spec) > MAX_CREDENTIAL_KIB * 1024) {
    const detail = `gmsaCredentialSpec size must be under ${MAX_CREDENTIAL_KIB} KiB`;
    errors.push(invalid(`${field}.gmsaCredentialSpec`, spec, detail));
  }
  if (typeof user === 'string') {
    append(
      errors,
      userComplaints(user).map((detail) => invalid(`${field}.runAsUserName`, user, detail)),
    );
  }
  return errors;
}

function userComplaints(text: string): string[] {
  if (text === '') return ['runAsUserName cannot be an empty string'];
  if (/\p{Cc}/u.test(text)) return ['runAsUserName cannot contain control characters'];
  const parts = text.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const domain = parts.length === 2 ? parts[0] : undefined;
  const user = parts.at(-1) ?? '';
  const errors: string[] = [];
  if (domain !== undefined && domain.length >= MAX_DOMAIN) {
    errors.push(`runAsUserName's Domain length must be under ${MAX_DOMAIN} characters`);
  }
  if (domain !== undefined && !NETBIOS.test(domain) && !DNS.test(domain)) {
    errors.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') errors.push("runAsUserName's User cannot be empty");
  else if (user.length > MAX_USER) {
    errors.push(`runAsUserName's User length must not be longer than ${MAX_USER} characters`);
  }
  if (/^[. ]+$/.test(user)) errors.push("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    errors.push(String.raw`runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`);
  }
  return errors;
}

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;

const hostProcess = (holder: JsonObject): JsonValue | undefined =>
  getPath(holder, 'securityContext', 'windowsOptions', 'hostProcess');

/** Containers that are processes of a Windows host: all of a pod's or none, on the host's network. */
export function validateHostProcesses(spec: JsonObject, field: string): FieldError[] {
  const ofPod = hostProcess(spec);
  const errors: FieldError[] = [];
  let all = 0;
  let hosted = 0;
  for (const list of LISTS) {
    const containers = objectsAt(spec, list);
    for (let index = 0; index < containers.length; index++) {
      const own = hostProcess(containers[index]!);
      all++;
      if (typeof ofPod === 'boolean' && typeof own === 'boolean' && ofPod !== own) {
        const detail = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
        const at = `${field}.${list}[${index}].securityContext.windowsOptions.hostProcess`;
        errors.push(invalid(at, own, detail));
      }
      if ((own ?? ofPod) === true) hosted++;
    }
  }
  if (hosted === 0) return errors;
  if (hosted !== all) {
    const detail =
      'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    errors.push(invalid(field, '', detail));
  }
  if (spec['hostNetwork'] !== true) {
    const detail = 'hostNetwork must be true if pod contains any hostProcess containers';
    errors.push(invalid(`${field}.hostNetwork`, false, detail));
  }
  return errors;
}
