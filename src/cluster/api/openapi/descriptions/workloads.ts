/** Of what makes pods, scales them and keeps them from being disrupted. */
import type { Texts } from './texts.ts';

const CONDITION: Texts = {
  type: 'What this is about.',
  status: 'True, False or Unknown.',
  reason: 'Why, in one word.',
  message: 'Why, for people.',
  lastTransitionTime: 'When the status last changed.',
};
const SELECTOR = 'The pods that belong to it. Must match the labels of the template, and cannot change.';
const SEEN = 'The generation of the object that this status is about.';
const MIN_READY = 'For how many seconds a pod must have been ready to count as available.';
const HISTORY = 'How many old revisions are kept to go back to. 10 when not given.';

export const apps: Readonly<Record<string, Texts>> = {
  Deployment: {
    '': 'Keeps a number of like pods running, and replaces them step by step when the template changes.',
  },
  DeploymentSpec: {
    replicas: 'How many pods there should be. 1 when not given.',
    selector: SELECTOR,
    template: 'What the pods are made from. Only restartPolicy Always is allowed.',
    strategy: 'How old pods are replaced by new ones.',
    minReadySeconds: MIN_READY,
    revisionHistoryLimit: HISTORY,
    paused: 'Whether changes of the template wait.',
    progressDeadlineSeconds:
      'After how many seconds without progress the deployment counts as stuck. 600 when not given.',
  },
  DeploymentStrategy: {
    type: 'Whether pods are replaced little by little, or all old ones end first.',
    rollingUpdate: 'How many at a time; for RollingUpdate only.',
  },
  RollingUpdateDeployment: {
    maxUnavailable: 'How many pods may be missing meanwhile: a number or a percentage. 25% when not given.',
    maxSurge: 'How many pods there may be too many meanwhile: a number or a percentage. 25% when not given.',
  },
  DeploymentStatus: {
    observedGeneration: SEEN,
    replicas: 'How many pods there are.',
    updatedReplicas: 'How many of them are of the newest template.',
    readyReplicas: 'How many of them are ready.',
    availableReplicas: 'How many of them are available.',
    unavailableReplicas: 'How many are missing until all are available.',
    conditions: 'Whether it is available, whether it progresses.',
    collisionCount: 'How often the name of a replica set was taken already.',
  },
  DeploymentCondition: { ...CONDITION, lastUpdateTime: 'When this was last written.' },
  ReplicaSet: { '': 'Keeps a number of like pods running. Mostly made by a deployment.' },
  ReplicaSetSpec: {
    replicas: 'How many pods there should be. 1 when not given.',
    minReadySeconds: MIN_READY,
    selector: SELECTOR,
    template: 'What the pods are made from.',
  },
  ReplicaSetStatus: {
    replicas: 'How many pods there are.',
    fullyLabeledReplicas: 'How many of them have all labels of the template.',
    readyReplicas: 'How many of them are ready.',
    availableReplicas: 'How many of them are available.',
    observedGeneration: SEEN,
  },
  ReplicaSetCondition: CONDITION,
  StatefulSet: { '': 'Keeps numbered pods running, each with a name and storage that stay its own.' },
  StatefulSetSpec: {
    replicas: 'How many pods there should be. 1 when not given.',
    selector: SELECTOR,
    template: 'What the pods are made from. Their names are that of the set with a number.',
    volumeClaimTemplates: 'Claims that every pod gets one of, and keeps when it is replaced.',
    serviceName: 'The headless service that gives the pods their names in the network.',
    podManagementPolicy: 'Whether pods are started one after the other or all at once.',
    updateStrategy: 'How pods are replaced when the template changes.',
    revisionHistoryLimit: HISTORY,
    minReadySeconds: MIN_READY,
    persistentVolumeClaimRetentionPolicy:
      'Whether claims go with the set, and with pods that are scaled away.',
    ordinals: 'Which number the first pod has.',
  },
  StatefulSetUpdateStrategy: {
    type: 'Whether pods are replaced by themselves, or only when someone deletes them.',
    rollingUpdate: 'How; for RollingUpdate only.',
  },
  RollingUpdateStatefulSetStrategy: {
    partition: 'Pods with lower numbers stay as they are.',
    maxUnavailable: 'How many pods may be missing meanwhile. 1 when not given.',
  },
  StatefulSetStatus: {
    observedGeneration: SEEN,
    replicas: 'How many pods there are.',
    readyReplicas: 'How many of them are ready.',
    availableReplicas: 'How many of them are available.',
    currentReplicas: 'How many of them are of the revision from before.',
    updatedReplicas: 'How many of them are of the newest revision.',
    currentRevision: 'The revision from before.',
    updateRevision: 'The newest revision.',
  },
  StatefulSetCondition: CONDITION,
  DaemonSet: { '': 'Runs one pod on every node that fits.' },
  DaemonSetSpec: {
    selector: SELECTOR,
    template: 'What the pods are made from. Its nodeSelector and affinity say which nodes get one.',
    updateStrategy: 'How pods are replaced when the template changes.',
    minReadySeconds: MIN_READY,
    revisionHistoryLimit: HISTORY,
  },
  DaemonSetUpdateStrategy: {
    type: 'Whether pods are replaced by themselves, or only when someone deletes them.',
    rollingUpdate: 'How many at a time; for RollingUpdate only.',
  },
  RollingUpdateDaemonSet: {
    maxUnavailable: 'On how many nodes the pod may be missing meanwhile. 1 when not given.',
    maxSurge: 'On how many nodes a second pod may run meanwhile. 0 when not given.',
  },
  DaemonSetStatus: {
    desiredNumberScheduled: 'On how many nodes a pod should run.',
    currentNumberScheduled: 'On how many of them one runs.',
    numberMisscheduled: 'On how many nodes one runs that should not.',
    numberReady: 'On how many nodes it is ready.',
    updatedNumberScheduled: 'On how many nodes it is of the newest template.',
    numberAvailable: 'On how many nodes it is available.',
    numberUnavailable: 'On how many nodes it is not available.',
    observedGeneration: SEEN,
  },
  DaemonSetCondition: CONDITION,
};

export const batch: Readonly<Record<string, Texts>> = {
  Job: { '': 'Runs pods until so many have succeeded.' },
  JobSpec: {
    parallelism: 'How many pods may run at once. 1 when not given.',
    completions: 'How many pods must succeed.',
    activeDeadlineSeconds: 'After so many seconds the job has failed.',
    backoffLimit: 'How many pods may fail before the job has failed. 6 when not given.',
    backoffLimitPerIndex: 'How many pods of one index may fail before that index has failed.',
    maxFailedIndexes: 'How many indexes may fail before the job has failed.',
    podFailurePolicy: 'What to do about pods that fail, by exit code and condition.',
    successPolicy: 'When the job has succeeded before all indexes have.',
    selector: 'The pods that belong to it. Filled in.',
    manualSelector: 'Whether selector is given by hand.',
    template: 'What the pods are made from. restartPolicy must be Never or OnFailure.',
    ttlSecondsAfterFinished: 'How many seconds after its end the job is deleted. Never when not given.',
    completionMode: 'Whether pods are alike, or each has an index.',
    suspend: 'Whether no pods are to run; those that do are deleted.',
    podReplacementPolicy: 'Whether a pod is replaced as soon as it is ending, or when it has ended.',
    managedBy: 'Who looks after the job, when it is not the controller that is built in.',
  },
  JobStatus: {
    conditions: 'Whether the job is complete, has failed or is suspended.',
    startTime: 'When the job was taken up.',
    completionTime: 'When the job was complete.',
    active: 'How many pods run or wait to.',
    ready: 'How many of them are ready.',
    succeeded: 'How many pods have succeeded.',
    failed: 'How many pods have failed.',
    terminating: 'How many pods are ending.',
    completedIndexes: 'Indexes that have succeeded, like 1,3-5.',
    failedIndexes: 'Indexes that have failed, like 1,3-5.',
  },
  JobCondition: CONDITION,
  CronJob: { '': 'Makes jobs by a schedule.' },
  CronJobSpec: {
    schedule: 'When, in the notation of cron.',
    timeZone: 'The time zone of the schedule, like Europe/Berlin. That of the controller when not given.',
    startingDeadlineSeconds: 'How many seconds late a job may still be started.',
    concurrencyPolicy: 'What to do when the job from before still runs. Allow when not given.',
    suspend: 'Whether no more jobs are started.',
    jobTemplate: 'What the jobs are made from.',
    successfulJobsHistoryLimit: 'How many jobs that succeeded are kept. 3 when not given.',
    failedJobsHistoryLimit: 'How many jobs that failed are kept. 1 when not given.',
  },
  CronJobStatus: {
    active: 'The jobs that run.',
    lastScheduleTime: 'When a job was last started.',
    lastSuccessfulTime: 'When a job last succeeded.',
  },
};

export const autoscaling: Readonly<Record<string, Texts>> = {
  HorizontalPodAutoscaler: { '': 'Changes the number of pods of a workload by what is measured of them.' },
  HorizontalPodAutoscalerSpec: {
    scaleTargetRef: 'What is scaled.',
    minReplicas: 'The least number of pods. 1 when not given.',
    maxReplicas: 'The greatest number of pods.',
    metrics: 'What is measured, and what it should be. The metric that wants most pods wins.',
    behavior: 'How fast to go up and down.',
  },
  HorizontalPodAutoscalerStatus: {
    observedGeneration: SEEN,
    lastScaleTime: 'When the number was last changed.',
    currentReplicas: 'How many pods there are.',
    desiredReplicas: 'How many pods there should be, as last worked out.',
    currentMetrics: 'What was last measured.',
    conditions: 'Whether scaling works, and what holds it back.',
  },
};

export const policy: Readonly<Record<string, Texts>> = {
  PodDisruptionBudget: { '': 'Limits how many pods may be evicted at once.' },
  PodDisruptionBudgetSpec: {
    minAvailable:
      'How many pods must stay available: a number or a percentage. Not together with maxUnavailable.',
    maxUnavailable: 'How many pods may be missing: a number or a percentage. Not together with minAvailable.',
    selector: 'The pods that it protects.',
    unhealthyPodEvictionPolicy: 'Whether pods that are not ready may always be evicted.',
  },
  PodDisruptionBudgetStatus: {
    observedGeneration: SEEN,
    disruptedPods: 'Pods whose eviction was allowed and that are not gone yet.',
    disruptionsAllowed: 'How many pods may be evicted now.',
    currentHealthy: 'How many pods are ready.',
    desiredHealthy: 'How many pods must stay ready.',
    expectedPods: 'How many pods there should be.',
  },
};
