/** What is wrong with a policy's expressions for the kinds that it names: said in its status, and no more than a warning. */
import { errorMessage, isPlatformError } from '../../../../base/errors.ts';
import { CelError } from '../../../api/cel/program.ts';
import { typeOfMessage, typeOfSchema } from '../../../api/cel/schema-types.ts';
import { DYN, type CelType } from '../../../api/cel/types.ts';
import { listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { Structural } from '../../../api/structural/schema.ts';
import type { ServerParts } from '../../context.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import { expressionsOf } from './expressions.ts';

/** More kinds than this are not looked at, as upstream. */
const MAX_KINDS = 10;

export async function checkTypes(parts: ServerParts, name: string): Promise<void> {
  const policies = parts.resources.find('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies');
  if (policies === undefined) return;
  try {
    await parts.registry.modify(
      policies,
      { namespace: '', name },
      {
        change(policy) {
          const { generation } = policy.metadata;
          if (generation === undefined || policy.status?.['observedGeneration'] === generation)
            return { type: 'keep' };
          const expressionWarnings = warningsFor(parts, policy);
          const typeChecking = expressionWarnings.length === 0 ? {} : { expressionWarnings };
          const status = { ...policy.status, observedGeneration: generation, typeChecking };
          return { type: 'put', object: { ...policy, status } };
        },
      },
    );
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return;
    parts.log.warn('cannot say what is wrong with a policy', { name, error: errorMessage(error) });
  }
}

function warningsFor(parts: ServerParts, policy: KubeObject): JsonObject[] {
  const spec = objectAt(policy, 'spec');
  const params = objectAt(spec, 'paramKind');
  const param = parts.resources.all.find(
    ({ apiVersion, kind }) => apiVersion === params['apiVersion'] && kind === params['kind'],
  );
  const warnings = new Map<string, string[]>();
  for (const resource of kindsOf(parts, spec).slice(0, MAX_KINDS)) {
    const object = typeOf(resource);
    const types = new Map<string, CelType>([
      ['object', object],
      ['oldObject', object],
      ['params', param === undefined ? DYN : typeOf(param)],
    ]);
    const expressions = expressionsOf(spec, types);
    const check = (path: string, text: string): void => {
      const program = text === '' ? undefined : expressions.compile(text);
      if (!(program instanceof CelError)) return;
      const said = `${resource.apiVersion}, Kind=${resource.kind}: ${program.message}\n`;
      warnings.set(path, [...(warnings.get(path) ?? []), said]);
    };
    objectsAt(spec, 'validations').forEach((validation, index) => {
      check(`spec.validations[${index}].expression`, stringAt(validation, 'expression'));
      check(`spec.validations[${index}].messageExpression`, stringAt(validation, 'messageExpression'));
    });
  }
  return [...warnings].map(([fieldRef, texts]) => ({ fieldRef, warning: texts.join('\n') }));
}

/** Those that rules name one by one. */
function kindsOf({ resources }: ServerParts, spec: JsonObject): readonly Resource[] {
  const found = new Set<Resource>();
  for (const rule of objectsAt(spec, 'matchConstraints', 'resourceRules')) {
    for (const group of listAt(rule, 'apiGroups') as string[]) {
      for (const version of listAt(rule, 'apiVersions') as string[]) {
        for (const name of listAt(rule, 'resources') as string[]) {
          const resource = resources.find(group, version, name);
          if (resource !== undefined) found.add(resource);
        }
      }
    }
  }
  return [...found];
}

function typeOf(resource: Resource): CelType {
  const { openApi } = resource.declaration;
  if (openApi !== undefined) return typeOfSchema(new Structural(openApi()), true);
  return resource.type.wire === undefined ? DYN : typeOfMessage(resource.type.wire.message);
}
