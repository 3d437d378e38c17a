import { autoscalerV1, autoscalerV2 } from '../../api/autoscaler-versions.ts';
import { applyDefaults } from '../../api/defaults.ts';
import { kindSchema } from '../../api/schema.ts';
import type { Conversion } from '../resource.ts';

/** Autoscalers are stored in v2, with the defaults of that version. */
export const autoscalerConversion: Conversion = {
  fromStorage: autoscalerV1,
  toStorage(object) {
    const stored = autoscalerV2(object);
    const kind = kindSchema('autoscaling', 'v2', 'HorizontalPodAutoscaler');
    if (kind !== undefined) applyDefaults(kind, stored);
    return stored;
  },
};
