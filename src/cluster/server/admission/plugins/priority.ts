import { isJsonObject, numberAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { isFor, listOf, objectNamed, refused, type Path } from '../lookup.ts';

const GROUP = 'scheduling.k8s.io';
const CLASSES: Path = [GROUP, 'v1', 'priorityclasses'];
const PREEMPTS = 'PreemptLowerPriority';

/** A pod's priority is its class's, and there is one default class at most. */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  handles: (request) =>
    (request.operation === 'CREATE' || request.operation === 'UPDATE') &&
    (isFor(request, '', 'pods') || isFor(request, GROUP, 'priorityclasses')),
  mutate(request) {
    const { object, old, operation, resource } = request;
    if (resource.resource !== 'pods' || !isJsonObject(object?.spec)) return;
    if (operation === 'CREATE') setPriority(request, object.spec);
    else keep(object.spec, old?.spec);
  },
  validate(request) {
    const { resource, object, old, server, name } = request;
    if (resource.resource !== 'priorityclasses' || object?.['globalDefault'] !== true) return;
    if (old?.['globalDefault'] === true) return;
    const other = listOf(server, CLASSES).find(
      (one) => one['globalDefault'] === true && one.metadata.name !== name,
    );
    if (other === undefined) return;
    const found = other.metadata.name ?? '';
    throw refused(request, `PriorityClass ${found} is already marked as default. Only one default can exist`);
  },
};

/** Whoever updates a pod with an older idea of it leaves out what admission has set. */
function keep(spec: JsonObject, old: JsonObject | undefined): void {
  for (const field of ['priority', 'preemptionPolicy']) {
    const before = old?.[field];
    if (spec[field] === undefined && before !== undefined) spec[field] = before;
  }
}

function setPriority(request: AdmissionRequest, spec: JsonObject): void {
  const { server } = request;
  const name = stringAt(spec, 'priorityClassName');
  const found = name === '' ? defaultClass(request) : objectNamed(server, CLASSES, { name });
  if (name !== '' && found === undefined) {
    throw refused(request, `no PriorityClass with name ${name} was found`);
  }
  const computed = numberAt(found, 'value') ?? 0;
  const policy = stringAt(found, 'preemptionPolicy') || PREEMPTS;
  const given = numberAt(spec, 'priority');
  if (given !== undefined && given !== computed) {
    throw refused(
      request,
      `the integer value of priority (${given}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    );
  }
  const { preemptionPolicy: givenPolicy } = spec;
  if (typeof givenPolicy === 'string' && givenPolicy !== policy) {
    throw refused(
      request,
      `the string value of PreemptionPolicy (${givenPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  }
  if (name === '' && found !== undefined) spec['priorityClassName'] = found.metadata.name ?? '';
  spec['priority'] = computed;
  spec['preemptionPolicy'] = policy;
}

const valueOf = (priorityClass: KubeObject): number => numberAt(priorityClass, 'value') ?? 0;

/** With several (made before there was a rule), the lowest counts. */
function defaultClass({ server }: AdmissionRequest): KubeObject | undefined {
  let lowest: KubeObject | undefined;
  for (const one of listOf(server, CLASSES)) {
    if (one['globalDefault'] !== true) continue;
    if (lowest === undefined || valueOf(one) < valueOf(lowest)) lowest = one;
  }
  return lowest;
}
